"""``retrograd train``: from a table or a folder of images or songs to a network that was tried."""

from .data import Choices as Choices
from .data import Examples as Examples
from .data import read as read
from .errors import DataError as DataError
from .errors import TrainingError as TrainingError
from .fit import Run as Run
from .fit import new_folder as new_folder
from .saved import Model as Model
from .saved import load_model as load_model
from .settings import Settings as Settings
