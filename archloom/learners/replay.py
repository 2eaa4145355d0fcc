"""Proportional prioritised experience replay (Schaul et al. 2016, section 3.3 and appendix B.2.1).

A row is drawn with probability P(i) = p_i / sum_k p_k, where p_i = (|error_i| + eps)^alpha. Priorities lie in a binary
tree whose nodes hold the sum and the least of what is below them. A node is always recomputed from its two children,
never by adding a difference, so the tree is the same function of its leaves after any number of updates.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from archloom.errors import InputError, unknown
from archloom.utils.jit import compiled

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

_LARGEST = 1e290
"""Errors count as at most this, so that no sum of priorities is infinite."""


class Sample(NamedTuple):
    """n rows, drawn with replacement, in the order in which they lie in the buffer."""

    rows: Rows
    """(n,) where they lie, for `update`."""
    weights: NDArray[np.float32]
    """(n,) w_i = (N P(i))^-beta, divided by the largest weight of all N rows in the buffer."""
    columns: dict[str, NDArray[Any]]
    """Copies of the rows' columns, (n, *shape) each."""


class PrioritisedReplay:
    """A ring of the last `capacity` transitions, from which those with large errors are drawn more often.

    A sample is stratified, as in the paper: the sum of priorities is cut into n equal segments, and one row is drawn
    from each. The expected number of draws of a row is n P(i), as with the independent draws of RLlib; the actual
    number differs from it by less than 2. Weights are divided by the largest of the whole buffer, as in RLlib, so a
    row's weight does not depend on the batch in which it is drawn.
    """

    def __init__(
        self,
        capacity: int,
        columns: Mapping[str, tuple[DTypeLike, tuple[int, ...]]],
        alpha: float = 0.6,
        eps: float = 1e-6,
    ) -> None:
        """Room for `capacity` rows of `columns`: name to dtype and shape of a row's entry, () for a number.

        InputError for a capacity below 1, an alpha outside 0 to 1, and an eps that is not above 0: with it a row
        without error would never be drawn again.
        """
        if capacity < 1:
            raise InputError(f"capacity={capacity}: expected at least 1")
        if not 0.0 <= alpha <= 1.0:
            raise InputError(f"alpha={alpha}: expected a number from 0 (uniform) to 1 (proportional to the errors)")
        if not 0.0 < eps < _LARGEST:
            raise InputError(f"eps={eps}: expected a positive number")
        self.capacity, self.alpha, self.eps = capacity, alpha, eps
        self._columns = {name: np.zeros((capacity, *shape), dtype) for name, (dtype, shape) in columns.items()}
        self._tree = _empty_tree(capacity)
        self._length = self._next = 0

    def __len__(self) -> int:
        """How many rows there are."""
        return self._length

    def add(self, columns: Mapping[str, NDArray[Any]], errors: ArrayLike) -> None:
        """Append m rows, `columns` (m, *shape) each with `errors` (m,); the oldest rows are overwritten.

        Any m will do, as if the rows came one by one. InputError, and nothing is written, for columns other than the
        buffer's, shapes or types that do not fit, and errors that are not finite.
        """
        priorities = self._priorities(errors)
        arrays = self._checked(columns, len(priorities))
        dropped = max(0, len(priorities) - self.capacity)  # overwritten by the rest of the same rows
        rows = (self._next + np.arange(dropped, len(priorities))) % self.capacity
        before_wrap = min(len(rows), self.capacity - int(rows[0])) if len(rows) else 0
        for name, column in self._columns.items():
            new = arrays[name][dropped:]
            if len(rows):
                column[rows[0] : rows[0] + before_wrap] = new[:before_wrap]
                column[: len(rows) - before_wrap] = new[before_wrap:]
        _put(self._tree, rows, priorities[dropped:])
        self._next = (self._next + len(priorities)) % self.capacity
        self._length = min(self._length + len(priorities), self.capacity)

    def sample(self, n: int, beta: float, rng: np.random.Generator) -> Sample:
        """Draw `n` rows. `beta` is the share of the bias that weights correct: 0 none, 1 all of it.

        One call of `rng.random(n)`. InputError if the buffer is empty, for n below 1, and a beta outside 0 to 1.
        """
        if not self._length:
            raise InputError("a sample from an empty replay buffer: expected at least one row to have been added")
        if n < 1:
            raise InputError(f"n={n}: expected at least 1")
        if not 0.0 <= beta <= 1.0:
            raise InputError(f"beta={beta}: expected a number from 0 to 1")
        masses = (np.arange(n) + rng.random(n)) * (self._tree[1, 0] / n)
        rows = np.empty(n, np.intp)
        relative = np.empty(n)
        _find(self._tree, masses, rows, relative)
        weights = (relative**-beta).astype(np.float32)
        return Sample(rows, weights, {name: column.take(rows, 0) for name, column in self._columns.items()})

    def update(self, rows: Rows, errors: ArrayLike) -> None:
        """Give `rows` (n,) of a sample their new `errors` (n,); of a row that is given twice the last error counts.

        A row that has been overwritten since the sample gets the error of the transition that was there. InputError,
        and nothing is written, for rows that there are not and errors that are not finite.
        """
        priorities = self._priorities(errors)
        rows = np.asarray(rows, np.intp)
        if rows.shape != priorities.shape:
            raise InputError(f"rows {rows.shape} and errors {priorities.shape}: expected as many of each")
        outside = rows[(rows < 0) | (rows >= self._length)]
        if len(outside):
            raise InputError(f"row {outside[0]}: expected 0 to {self._length - 1}, as a sample gives them")
        _put(self._tree, rows, priorities)

    def state_dict(self) -> dict[str, NDArray[Any] | int]:
        """Copies of the rows, column by column as `column_NAME`, of their priorities, and where the next row goes."""
        leaves = self._tree[len(self._tree) // 2 :, 0]
        columns = {f"column_{name}": column[: self._length].copy() for name, column in self._columns.items()}
        return {**columns, "priorities": leaves[: self._length].copy(), "next": self._next}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` gave, of a buffer with the same capacity and columns; InputError for another's."""
        priorities = np.asarray(state["priorities"], np.float64)
        length, following = len(priorities), int(state["next"])
        fits = following == length if length < self.capacity else length == self.capacity > following >= 0
        if not fits:
            raise InputError(
                f"a replay buffer with {length} rows, the next at {following}: expected one of the capacity "
                f"{self.capacity}, as this one has"
            )
        given = {name.removeprefix("column_"): state[name] for name in state if name.startswith("column_")}
        arrays = self._checked(given, length)
        for name, column in self._columns.items():
            column[:length] = arrays[name]
        self._tree = _empty_tree(self.capacity)
        _put(self._tree, np.arange(length), priorities)
        self._length, self._next = length, following

    def _priorities(self, errors: ArrayLike) -> Floats:
        errors = np.abs(np.asarray(errors, np.float64))
        if errors.ndim != 1:
            raise InputError(f"errors {errors.shape}: expected one for each row")
        if not np.isfinite(errors).all():
            place = int(np.flatnonzero(~np.isfinite(errors))[0])
            raise InputError(
                f"error {errors[place]} of transition {place}: expected a finite number "
                "(if the Q-values have diverged, a lower learning rate may help)"
            )
        priorities: Floats = (np.minimum(errors, _LARGEST) + self.eps) ** self.alpha
        return priorities

    def _checked(self, columns: Mapping[str, NDArray[Any]], rows: int) -> dict[str, NDArray[Any]]:
        """The columns as arrays, if they are this buffer's and fit."""
        for name in columns:
            if name not in self._columns:
                raise unknown("column", name, self._columns)
        arrays = {}
        for name, column in self._columns.items():
            if name not in columns:
                raise InputError(f"column {name!r} is missing: expected {', '.join(self._columns)}")
            array = np.asarray(columns[name])
            expected = (rows, *column.shape[1:])
            if array.shape != expected or not np.can_cast(array.dtype, column.dtype, "same_kind"):
                raise InputError(
                    f"column {name!r} of shape {array.shape} and type {array.dtype}: "
                    f"expected {expected} and {column.dtype}"
                )
            arrays[name] = array
        return arrays


def _empty_tree(capacity: int) -> Floats:
    """(2 L, 2) for L >= capacity leaves, a power of two: node 1 is the root, 2i and 2i + 1 are below i, leaves last.

    A node holds the sum of the priorities below it and the least of them.
    """
    tree = np.zeros((2 << (capacity - 1).bit_length(), 2))
    tree[:, 1] = np.inf
    return tree


@compiled
def _put(tree: Floats, rows: Rows, priorities: Floats) -> None:
    """Give the leaves of `rows` (n,) their `priorities` (n,), then recompute what is above them, level by level."""
    nodes = rows + len(tree) // 2
    for i in range(len(rows)):
        tree[nodes[i], 0] = tree[nodes[i], 1] = priorities[i]
    count = len(rows)
    while count and nodes[0] > 1:
        above, last = 0, 0
        for i in range(count):
            parent = nodes[i] >> 1
            if parent != last:  # neighbours share their parents: of rows side by side few remain
                left, right = 2 * parent, 2 * parent + 1
                tree[parent, 0] = tree[left, 0] + tree[right, 0]
                tree[parent, 1] = min(tree[left, 1], tree[right, 1])
                nodes[above] = last = parent
                above += 1
        count = above


@compiled
def _find(tree: Floats, masses: Floats, rows: Rows, relative: Floats) -> None:
    """Fill in the row at which the priorities of the rows up to it first exceed each of `masses` (n,), and how many
    times the least priority of the buffer its own is.

    Nothing below a node without priority is ever taken, however sums are rounded.
    """
    leaves = len(tree) // 2
    for i in range(len(masses)):
        node, mass = 1, masses[i]
        while node < leaves:
            node *= 2
            if mass >= tree[node, 0] and tree[node + 1, 0] > 0.0:
                mass -= tree[node, 0]
                node += 1
        rows[i] = node - leaves
        relative[i] = tree[node, 0] / tree[1, 1]
