"""NAS-Bench-101 (Ying et al. 2019): cells of at most 7 vertices and 9 edges, 423,624 of them.

| module | what |
|---|---|
| `codes` | a cell as one number: genes, pruning, canonical form, keys |
| `hashes` | the official module hash |
| `cells` | all cells from the definition; samplers |
| `moves` | neighbours |
| `counts` | parameters and multiply-adds of the network |
| `known` | what is known of a table of them |
| `coordinates` | cells as points that models see |
| `grammar` | how a cell is drawn, vertex after vertex |
| `space` | the space that strategies see |

Functions work on arrays of cells in the layout of tables, (n, 26); one cell is a batch of one.
"""

from archloom.spaces.nb101.cells import enumerate_cells
from archloom.spaces.nb101.codes import keys, valid
from archloom.spaces.nb101.counts import macs, parameters
from archloom.spaces.nb101.hashes import md5_hashes
from archloom.spaces.nb101.moves import neighbours, neighbours_of
from archloom.spaces.nb101.space import Nb101

__all__ = [
    "Nb101",
    "enumerate_cells",
    "keys",
    "macs",
    "md5_hashes",
    "neighbours",
    "neighbours_of",
    "parameters",
    "valid",
]
