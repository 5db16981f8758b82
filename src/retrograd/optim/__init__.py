"""Optimizers and schedules of their learning rate."""

import importlib as _importlib
from typing import Any as _Any

from . import lr_scheduler as lr_scheduler
from . import zeroth as zeroth
from .adadelta import Adadelta as Adadelta
from .adafactor import Adafactor as Adafactor
from .adagrad import Adagrad as Adagrad
from .adam import Adam as Adam
from .adamax import Adamax as Adamax
from .adamw import AdamW as AdamW
from .asgd import ASGD as ASGD
from .curvature import gauss_newton_diagonal as gauss_newton_diagonal
from .lbfgs import LBFGS as LBFGS
from .muon import Muon as Muon
from .nadam import NAdam as NAdam
from .optimizer import Optimizer as Optimizer
from .preconditioned import PreconditionedSGD as PreconditionedSGD
from .proximal import ProximalSGD as ProximalSGD
from .radam import RAdam as RAdam
from .rmsprop import RMSprop as RMSprop
from .rprop import Rprop as Rprop
from .sgd import SGD as SGD


def __getattr__(name: str) -> _Any:
    if name == "swa_utils":  # it imports nn, which a program may never need
        return _importlib.import_module("retrograd.optim.swa_utils")
    from ..left_out import error

    raise error("optim", name)


__all__ = [
    "ASGD",
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Muon",
    "NAdam",
    "Optimizer",
    "PreconditionedSGD",
    "ProximalSGD",
    "RAdam",
    "RMSprop",
    "Rprop",
    "gauss_newton_diagonal",
    "lr_scheduler",
    "zeroth",
    "swa_utils",
]
