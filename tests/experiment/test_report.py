"""Reports of experiments: tables, verdicts, seeds, spreads."""

from __future__ import annotations

from typing import Any

import pytest

import retrograd as rg
from retrograd.experiment import Report, clearly_above, spread


def test_verdicts_are_kept_and_said(capsys: Any) -> None:
    report = Report()
    report.verdict("water is wet", True, "three glasses")
    report.verdict("fire is cold", False, "one finger")
    assert report.verdicts == {"water is wet": True, "fire is cold": False}
    assert capsys.readouterr().out == (
        "Holds: water is wet\n    measured: three glasses\n"
        "DOES NOT HOLD: fire is cold\n    measured: one finger\n"
    )
    with pytest.raises(ValueError, match="judged before"):
        report.verdict("water is wet", False, "a desert")


def test_a_quiet_report_says_nothing_and_keeps_all(capsys: Any) -> None:
    report = Report(quiet=True)
    report.say("hello")
    report.table(["a"], [(1,)])
    report.verdict("it holds", True, "so")
    assert capsys.readouterr().out == "" and report.verdicts == {"it holds": True}


def test_tables_are_as_wide_as_their_cells(capsys: Any) -> None:
    Report().table(["name", "n"], [("long one", 3), ("b", 1234567.0), ("c", 0.12345)])
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "name              n",
        "--------  ---------",
        "long one          3",
        "b         1,234,567",
        "c             0.123",
        "",
    ]


def test_seeds_are_set_before_they_are_given() -> None:
    drawn = [(s, rg.rand(1).item()) for s in Report(quiet=True).seeds(5, 3)]
    assert [s for s, _ in drawn] == [5, 6, 7]
    rg.manual_seed(6)
    assert rg.rand(1).item() == drawn[1][1] != drawn[0][1]


def test_a_spread_is_the_sample_deviation() -> None:
    assert spread([1.0, 3.0]) == "2.0 ± 1.4 (2 seeds)"
    assert spread([90.0, 92.0], 0, "%") == "91 ± 1 % (2 seeds)"
    assert spread(iter([7.0]), 2) == "7.00 (1 seed)"
    with pytest.raises(ValueError, match="no seed"):
        spread([])


def test_clearly_above_counts_standard_errors() -> None:
    values = [1.0, 2.0, 3.0, 4.0]  # mean 2.5, deviation 1.291, standard error 0.645
    assert clearly_above(values, 1.2) and not clearly_above(values, 1.22)
    assert not clearly_above([1.0, -1.0])
    with pytest.raises(ValueError, match="two seeds"):
        clearly_above([1.0])
