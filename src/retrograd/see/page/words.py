"""The words of both pages, which stand in ``static/*.js`` and ``static/*.html``."""

from __future__ import annotations

from ..messages import Say


def words(say: Say) -> dict[str, str]:
    """From the English of the page of one loss to another language."""
    return _told(_texts(), say)


def watch_words(say: Say) -> dict[str, str]:
    """The same of the page of a training."""
    return _told(_watched(), say)


def _told(texts: Texts, say: Say) -> dict[str, str]:
    found = [(text, say(text)) for text in texts.plain]
    for one, more in texts.counted:
        found += [(one, say.many(one, more, 1)), (more, say.many(one, more, 2))]
    return {text: told for text, told in found if told != text}


class Texts:
    """The words, collected by the names under which the catalogues find them."""

    def __init__(self) -> None:
        self.plain: list[str] = []
        self.counted: list[tuple[str, str]] = []

    def __call__(self, text: str) -> None:
        self.plain.append(text)

    def many(self, one: str, more: str) -> None:
        """What is said of one thing, and of several."""
        self.counted.append((one, more))


def _texts() -> Texts:
    say = Texts()
    say("Modules")
    say("Operations")
    say("Kernels")
    say.many("{count} operation", "{count} operations")
    say.many("{count} line", "{count} lines")
    say.many("{count} value", "{count} values")
    say.many("{count} gradient", "{count} gradients")
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
    say.many(
        "{count} number is written to memory", "{count} numbers are written to memory"
    )
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
    say("step {step}")
    say("steps since then have another graph")
    say("the training has ended; step {step}")
    return say


def _watched() -> Texts:
    say = Texts()
    say("waiting for the first step")
    say("Pause")
    say("Resume")
    say("Step")
    say("Graph")
    say("Loss")
    say("Learning rate")
    say("Gradient norm")
    say("Update ÷ weight")
    say("‖Δw‖ ÷ ‖w‖; near 10⁻³ is usual")
    say("Way on the loss surface")
    say("in its two principal directions")
    say("SGD beside batch descent")
    say("The whole way")
    say("Parameters")
    say("Activations")
    say("nothing yet")
    say("loss by step")
    say("learning rate by step")
    say("gradient norm by step")
    say("update to weight ratio of each layer by step")
    say("gradients of {name}")
    say("no gradient")
    say("{count} NaN or ∞")
    say("activations of {name}")
    say("mean")
    say("std")
    say("units dead: {share} %")
    say("saturated values: {share} %, units: {units} %")
    say("{count} with many dead or saturated units")
    say("looking at step {done} of {of}; then the training waits for some seconds")
    say("with the next step")
    say("Computed on request; the training waits for it, some seconds.")
    say("loss surface with the way of the parameters")
    say("the training: each step with its batch")
    say("the training")
    say.many(
        "descent with the gradient of {count} batch",
        "descent with the mean gradient of {count} batches",
    )
    say.many("loss of {count} batch", "mean loss of {count} batches")
    say(
        "{loss} from {low} to {high}; variance of the way in this plane: {share} %; "
        "a ring begins, a dot ends; until step {step}; the training waited {seconds} s."
    )
    say("too few places yet")
    say("the page was closed meanwhile")
    say("this optimizer evaluates the loss itself")
    say("ended")
    say("paused")
    say("pausing after this step")
    say("running")
    say("step {step}")
    say("the training's process has ended")
    return say
