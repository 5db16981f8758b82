"""Experiments: a claim, what was measured over seeds, and whether the one bears the other.

A program defines ``run(report, seed, quick)``, which does the experiment, tells the report
what it found and returns its numbers, and ``draw(figure, **numbers)``, which draws them. It
ends in ``main(run, draw)``, which makes a command of it. The programs in ``examples/`` are
written so; figures need ``pip install 'retrograd[examples]'``.

>>> import retrograd as rg
>>> from retrograd.experiment import Report
>>> report = Report()
>>> thrown = [rg.randint(1, 7, (600,)).float().mean().item() for _ in report.seeds(0, 5)]
>>> report.verdict("a die shows 3.5", abs(sum(thrown) / 5 - 3.5) < 0.2, "the mean of five")
Holds: a die shows 3.5
    measured: the mean of five
"""

from __future__ import annotations

from .command import main as main
from .figures import BLUE as BLUE
from .figures import GREY as GREY
from .figures import ORANGE as ORANGE
from .figures import SKY as SKY
from .figures import confused as confused
from .figures import curves as curves
from .figures import routes as routes
from .figures import save as save
from .learning import accuracy as accuracy
from .learning import descent as descent
from .learning import side_by_side as side_by_side
from .learning import walk as walk
from .report import Report as Report
from .report import clearly_above as clearly_above
from .report import spread as spread
