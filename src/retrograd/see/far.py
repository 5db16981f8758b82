"""Links that would run past most of a long drawing are cut: what they come from, or lead
to, is drawn once more beside the other end. Each layer that a link passes costs the
layout a place, and a reader the patience to follow it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from .scene import Link, Scene

#: layers that all links together may pass
PASSED = 1500
_CIRCLES = ("variable", "gradient")


def shortened(scene: Scene) -> Scene:
    """The same scene, where need be with some circles drawn again."""
    layer = _layers(scene)
    span = [
        layer[x.target] - layer[x.source] - 1
        if x.source in layer and x.target in layer
        else 0
        for x in scene.links
    ]
    longest = _bound(span)
    if longest is None:
        return scene
    of = {m.id: m for m in scene.marks}
    out = Scene(list(scene.marks), [])
    left = Counter(x for link in scene.links for x in (link.source, link.target))
    for k, (link, passed) in enumerate(zip(scene.links, span, strict=True)):
        ends = (link.source, link.target)
        end = next((e for e in ends if of[e].kind in _CIRCLES), "")
        if passed <= longest or not end or left[end] == 1:
            out.links.append(link)
            continue
        left[end] -= 1
        again = replace(of[end], id=f"{end}@{k}", again=True, sum=False, node="")
        out.add(again)
        source, target = (again.id if e == end else e for e in ends)
        out.links.append(Link(source, target, link.label))
    return out


def _bound(span: list[int]) -> int | None:
    """The span past which links are cut; None if all may stay."""
    total = 0
    for passed in sorted(span):
        total += passed
        if total > PASSED:
            return max(1, passed - 1)
    return None


def _layers(scene: Scene) -> dict[str, int]:
    """The longest way to each mark; to what nothing leads, just before it is used. What
    is on a circle (a module that is called twice, drawn once) has none."""
    users: dict[str, list[str]] = {m.id: [] for m in scene.marks}
    missing: Counter[str] = Counter()
    for link in scene.links:
        users[link.source].append(link.target)
        missing[link.target] += 1
    ready = [m.id for m in scene.marks if not missing[m.id]]
    layer = dict.fromkeys(ready, 0)
    first = list(ready)
    while ready:
        here = ready.pop()
        for user in users[here]:
            layer[user] = max(layer.get(user, 0), layer[here] + 1)
            missing[user] -= 1
            if not missing[user]:
                ready.append(user)
    for id in [x for x, count in missing.items() if count > 0]:
        layer.pop(id, None)
    for id in first:
        layer[id] = min((layer[u] for u in users[id] if u in layer), default=1) - 1
    return layer
