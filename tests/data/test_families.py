"""The family trees of 1986: the facts of the paper, and what must be true of any."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter

import retrograd as rg

people, relations, facts = rg.datasets.family_trees()


def test_there_are_as_many_as_the_paper_says() -> None:
    assert len(people) == len(set(people)) == 24
    assert len(relations) == 12 and len(facts) == 104
    english = Counter(relation for person, relation in facts if person in people[:12])
    italian = Counter(relation for person, relation in facts if person in people[12:])
    assert english == italian and sum(english.values()) == 52
    assert set(english) == set(relations)


def test_facts_that_the_paper_prints() -> None:
    assert facts["Colin", "aunt"] == {"Margaret", "Jennifer"}
    assert facts["Charlotte", "uncle"] == {"Arthur", "Charles"}
    assert facts["Arthur", "nephew"] == {"Colin"}
    assert facts["Christopher", "daughter"] == {"Victoria"}
    assert facts["Alfonso", "aunt"] == {"Gina", "Angela"}
    assert ("Andrew", "father") not in facts
    assert ("Colin", "wife") not in facts


def test_each_relation_has_its_reverse() -> None:
    reverse = {
        ("father", "mother"): ("son", "daughter"),
        ("husband", "wife"): ("husband", "wife"),
        ("brother", "sister"): ("brother", "sister"),
        ("uncle", "aunt"): ("nephew", "niece"),
    }
    reverse |= {back: there for there, back in reverse.items()}
    pair = {word: words for words in reverse for word in words}
    for (person, relation), others in facts.items():
        for other in others:
            back = [facts.get((other, word), set()) for word in reverse[pair[relation]]]
            assert person in set.union(*back), (person, relation, other)
            assert (person in people[:12]) == (other in people[:12])


def test_facts_come_in_the_same_order_in_every_process() -> None:
    """The order of a set of names follows a seed that each process draws for itself."""
    told = "import retrograd as rg; print(list(rg.datasets.family_trees()[2]))"
    orders = [
        subprocess.run(
            [sys.executable, "-c", told], env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    ]  # fmt: skip
    assert orders[0] == orders[1] == f"{list(facts)}\n"
