"""The space of PBT-NAS for visual control (Chebykin et al. 2023, section 4.3): encoder, actor and critic of DrQ-v2.

Nothing here needs PyTorch before a network is built.
"""

from archloom.spaces.control.dimensions import Dimensions
from archloom.spaces.control.genes import ORIGINAL
from archloom.spaces.control.space import Control

__all__ = ["ORIGINAL", "Control", "Dimensions"]
