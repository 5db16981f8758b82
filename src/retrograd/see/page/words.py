"""The words of the page, which stand in ``static/page.js`` and ``static/page.html``."""

from __future__ import annotations

from ..messages import Say


def words(say: Say) -> dict[str, str]:
    """From the English that stands there to another language."""
    found = [(text, say(text)) for text in _texts()]
    return {text: told for text, told in found if told != text}


def _texts() -> list[str]:
    found: list[str] = []
    say = found.append  # the name by which the catalogues find them
    say("Modules")
    say("Operations")
    say("Kernels")
    say("{count} operations")
    say("{count} lines")
    say("{count} values")
    say("mean")
    say("std")
    say("zeros")
    say("heat map of {name}")
    say("blue positive, red negative")
    say("histogram of {name}")
    say("histogram")
    say("all numbers")
    say("comes in step {step}")
    say("In the program")
    say("computed from")
    say("used by")
    say("kernel")
    say("operations")
    say("forward")
    say("backward")
    say("outgoing = local Jacobian, incoming")
    say("incoming")
    say("one kernel of the compiled plan")
    say("a run of lines")
    say("open")
    say("close")
    say("{count} numbers are written to memory")
    say("{values} values, {gradients} gradients, {operations} operations.")
    say("The first NaN or ∞ is made here:")
    say("Step with ▶ or →; select a circle or a block to open it.")
    say("nothing found")
    say("Level of detail")
    say("Search")
    say("Search for names, functions, modules, source lines")
    say("Keys")
    say("Results")
    say("one step forwards, backwards")
    say("to the beginning, to the end")
    say("the value or gradient from here, the one before")
    say("open or close the box that is selected; go to it")
    say("close the box around the selection")
    say("zoom, whole graph")
    say("search")
    say("to buttons and to the panel")
    say("Graph")
    say("Graph: arrow keys step and select, Enter opens, + and − zoom")
    say("Zoom")
    say("Zoom in")
    say("Zoom out")
    say("Whole graph")
    say("Open the next boxes")
    say("Open boxes")
    say("Close all boxes")
    say("Close boxes")
    say("Details")
    say("To the beginning")
    say("One step back")
    say("One step")
    say("To the end")
    say("Step")
    return found
