"""Datasets, samplers, loaders and normalisation."""

from .dataset import ConcatDataset as ConcatDataset
from .dataset import Dataset as Dataset
from .dataset import IterableDataset as IterableDataset
from .dataset import Subset as Subset
from .dataset import TensorDataset as TensorDataset
from .dataset import random_split as random_split
from .loader import DataLoader as DataLoader
from .loader import default_collate as default_collate
from .loader import default_convert as default_convert
from .loader import get_worker_info as get_worker_info
from .normalize import Normalize as Normalize
from .sampler import BatchSampler as BatchSampler
from .sampler import ClassBalancedSampler as ClassBalancedSampler
from .sampler import RandomSampler as RandomSampler
from .sampler import Sampler as Sampler
from .sampler import SequentialSampler as SequentialSampler
from .sampler import SubsetRandomSampler as SubsetRandomSampler
from .sampler import WeightedRandomSampler as WeightedRandomSampler
