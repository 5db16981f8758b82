"""Optimizers and schedules of their learning rate."""

from . import lr_scheduler as lr_scheduler
from . import zeroth as zeroth
from .adadelta import Adadelta as Adadelta
from .adagrad import Adagrad as Adagrad
from .adam import Adam as Adam
from .adamax import Adamax as Adamax
from .adamw import AdamW as AdamW
from .asgd import ASGD as ASGD
from .nadam import NAdam as NAdam
from .optimizer import Optimizer as Optimizer
from .preconditioned import PreconditionedSGD as PreconditionedSGD
from .proximal import ProximalSGD as ProximalSGD
from .radam import RAdam as RAdam
from .rmsprop import RMSprop as RMSprop
from .rprop import Rprop as Rprop
from .sgd import SGD as SGD

__all__ = [
    "ASGD",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "NAdam",
    "Optimizer",
    "PreconditionedSGD",
    "ProximalSGD",
    "RAdam",
    "RMSprop",
    "Rprop",
    "lr_scheduler",
    "zeroth",
]
