"""The two families of Rumelhart, Hinton and Williams 1986: who is whose aunt."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dispatch import constant

#: Two families of the same form: five couples, and a brother and a sister.
FAMILIES = (
    ("Christopher Penelope", "Andrew Christine", "Arthur Margaret", "James Victoria",
     "Charles Jennifer", "Colin Charlotte"),
    ("Roberto Maria", "Pierro Francesca", "Emilio Gina", "Marco Lucia",
     "Tomaso Angela", "Alfonso Sophia"),
)  # fmt: skip
#: Parents and children by their places in a family: [couple, (couple, which), …].
CHILDREN = ((0, (2, 0), (3, 1)), (1, (3, 0), (4, 1)), (3, (5, 0), (5, 1)))
RELATIONS = ("father", "mother", "husband", "wife", "son", "daughter", "uncle", "aunt",
             "brother", "sister", "nephew", "niece")  # fmt: skip

Facts = dict[tuple[str, str], set[str]]


def family_trees() -> tuple[list[str], list[str], Facts]:
    """24 people, 12 relations and the 104 facts {(person, relation): people}.

    The first twelve people are English, the others Italian; the two trees have the same
    form. A fact may have more than one person for its answer: Colin has two aunts. Facts
    are in the order of the people, those of one person in that of the relations.
    D. E. Rumelhart, G. E. Hinton, R. J. Williams, Nature 323 (1986) 533, figure 2.

    >>> import retrograd as rg
    >>> people, relations, facts = rg.datasets.family_trees()
    >>> len(people), len(relations), len(facts)
    (24, 12, 104)
    >>> sorted(facts["Colin", "aunt"])
    ['Jennifer', 'Margaret']
    """
    people: list[str] = []
    facts: Facts = {}
    for family in FAMILIES:
        pairs = [(man, wife) for man, wife in map(str.split, family)]
        people += [person for pair in pairs for person in pair]
        facts |= _facts(pairs)
    asked = [(person, relation) for person in people for relation in RELATIONS]
    # In this order in every process: sets of names have another one in each.
    return people, list(RELATIONS), {k: facts[k] for k in asked if k in facts}


def _facts(pairs: list[tuple[str, str]]) -> Facts:
    """What is true in one family."""
    men = {man for man, _ in pairs}
    spouse = dict(pairs[:5]) | {wife: man for man, wife in pairs[:5]}
    parents = {pairs[couple][who]: set(pairs[couple_above])
               for couple_above, *children in CHILDREN
               for couple, who in children}  # fmt: skip
    facts: Facts = {}

    def add(person: str, for_men: str, for_women: str, others: set[str]) -> None:
        for other in others:
            relation = for_men if other in men else for_women
            facts.setdefault((person, relation), set()).add(other)

    def siblings(person: str) -> set[str]:
        above = parents.get(person)
        return {p for p in parents if parents[p] == above} - {person}

    for person in [p for pair in pairs for p in pair]:
        above = parents.get(person, set())
        by_blood = {s for parent in above for s in siblings(parent)}
        uncles = by_blood | {spouse[s] for s in by_blood}
        add(person, "father", "mother", above)
        add(person, "husband", "wife", {spouse[person]} if person in spouse else set())
        add(person, "son", "daughter", {c for c in parents if person in parents[c]})
        add(person, "brother", "sister", siblings(person))
        add(person, "uncle", "aunt", uncles)
        for uncle in uncles:
            add(uncle, "nephew", "niece", {person})
    return facts


def family_facts() -> tuple[Any, Any]:
    """The 104 facts as the paper's network sees them: questions [104, 36], 1 at the person
    of the first 24 and at the relation of the last 12, and answers [104, 24], 1 at every
    person that is right; float32, in the order of :func:`family_trees`.

    >>> import retrograd as rg
    >>> questions, answers = rg.datasets.family_facts()
    >>> questions.sum(1).unique().tolist(), int(answers.sum().item())
    ([2.0], 112)
    """
    people, relations, facts = family_trees()
    questions = np.zeros((len(facts), len(people) + len(relations)), np.float32)
    answers = np.zeros((len(facts), len(people)), np.float32)
    for row, ((person, relation), found) in enumerate(facts.items()):
        questions[row, people.index(person)] = 1
        questions[row, len(people) + relations.index(relation)] = 1
        answers[row, [people.index(name) for name in found]] = 1
    return constant(questions), constant(answers)


__all__ = ["family_facts", "family_trees"]
