"""Primitives: one class shows an operation's formula, shape rule, NumPy meaning,
derivatives and samples. ``op.py`` has the contract."""
