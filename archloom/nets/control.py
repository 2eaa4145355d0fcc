"""The networks of DrQ-v2 with searched layers, written to stand alone: `archloom export` ships this very code.

An encoder turns stacked frames into a vector, an actor the vector into an action, a critic the vector and an action
into two values (Yarats et al. 2021). Four chains of layers are searched (Chebykin et al. 2023, section 4.3): that of
the encoder, of the actor, and one for each value of the critic. A chain begins with a fixed layer; those after it keep
the width, so that any can replace any other. What a layer's tensors are called, and their shapes, depend on nothing but
its own kind: also a layer that is not normalised has the vectors of its spectral norm.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

Layer = tuple[str, str]
"""The kind of a layer, of `CONV_LAYERS` or `LINEAR_LAYERS`, and its activation, of `ACTIVATIONS`."""

Chain = tuple[str, Sequence[Layer], bool]
"""The activation of the first layer, the searched layers, and whether all of these have spectral normalisation."""

Trunk = tuple[int, str]
"""How many features the layer in front of a chain has, and its activation."""

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "id": nn.Identity,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "swish": nn.SiLU,
}

TINY = 1e-12
"""A spectral norm below this counts as this: weights that are all 0 stay so."""


# -- layers with spectral norms -----------------------------------------------------------------------------------


class SpectralNorm(nn.Module):
    """Divides a weight by its largest singular value, estimated by power iteration (Miyato et al. 2018), if enabled.

    The vectors `u` and `v` are there in any case. They move by one iteration with each pass of training of an enabled
    one, and never otherwise. The norm is |W v| / |v|: that is u W v after an iteration, and also of use with vectors
    that were mixed from several networks, which do not have length 1. Mixed precision does not reach any of this.
    """

    def __init__(self, rows: int, columns: int, enabled: bool) -> None:
        super().__init__()
        self.enabled = enabled
        self.u = nn.Buffer(torch.zeros(rows))
        self.v = nn.Buffer(torch.zeros(columns))

    def start(self, weight: Tensor) -> None:
        """Draw u and iterate once: of an orthogonal matrix the norm is exact then."""
        self.u.copy_(torch.empty_like(self.u).normal_())
        self._iterate(weight.detach().flatten(1))

    def forward(self, weight: Tensor) -> Tensor:  # (rows, ...), all but the first dimension make the columns
        if not self.enabled:
            return weight
        with torch.autocast(weight.device.type, enabled=False):
            matrix = weight.flatten(1)
            if self.training:
                self._iterate(matrix.detach())
            norm = torch.linalg.vector_norm(matrix @ functional.normalize(self.v, dim=0))
            divided: Tensor = weight / norm.clamp(min=TINY)
        return divided

    @torch.no_grad()
    def _iterate(self, matrix: Tensor) -> None:
        self.v.copy_(functional.normalize(matrix.T @ self.u, dim=0))
        self.u.copy_(functional.normalize(matrix @ self.v, dim=0))


class Linear(nn.Linear):
    """A linear layer with a spectral norm."""

    def __init__(self, c_in: int, c_out: int, spectral: bool) -> None:
        super().__init__(c_in, c_out)
        self.norm = SpectralNorm(c_out, c_in, spectral)

    def forward(self, x: Tensor) -> Tensor:  # (B, c_in) -> (B, c_out)
        out: Tensor = functional.linear(x, self.norm(self.weight), self.bias)
        return out


class Conv(nn.Conv2d):
    """A convolution with a spectral norm; of stride 1 it has "same" padding, of any other none."""

    def __init__(self, c_in: int, c_out: int, kernel: int, spectral: bool, stride: int = 1, groups: int = 1) -> None:
        super().__init__(c_in, c_out, kernel, stride, padding=kernel // 2 if stride == 1 else 0, groups=groups)
        self.norm = SpectralNorm(c_out, c_in // groups * kernel**2, spectral)

    def forward(self, x: Tensor) -> Tensor:  # (B, c_in, H, W) -> (B, c_out, ...)
        out: Tensor = self._conv_forward(x, self.norm(self.weight), self.bias)
        return out


# -- searched layers ----------------------------------------------------------------------------------------------


def identity(width: int, activation: str, spectral: bool) -> nn.Module:
    """No layer at all, and no activation either."""
    return nn.Identity()


def conv(width: int, activation: str, spectral: bool, kernel: int) -> nn.Module:
    """Convolution, activation."""
    return nn.Sequential(Conv(width, width, kernel, spectral), ACTIVATIONS[activation]())


def separable_conv(width: int, activation: str, spectral: bool, kernel: int) -> nn.Module:
    """Depthwise convolution, 1x1 convolution, activation."""
    depthwise, pointwise = Conv(width, width, kernel, spectral, groups=width), Conv(width, width, 1, spectral)
    return nn.Sequential(depthwise, pointwise, ACTIVATIONS[activation]())


class ResidualConv(nn.Module):
    """Convolution, activation, convolution; added to the input; activation."""

    def __init__(self, width: int, activation: str, spectral: bool, kernel: int) -> None:
        super().__init__()
        first, second = (Conv(width, width, kernel, spectral) for _ in range(2))
        self.body = nn.Sequential(first, ACTIVATIONS[activation](), second)
        self.activation = ACTIVATIONS[activation]()

    def forward(self, x: Tensor) -> Tensor:  # (B, width, H, W)
        out: Tensor = self.activation(x + self.body(x))
        return out


def linear(width: int, activation: str, spectral: bool) -> nn.Module:
    """Linear layer, activation."""
    return nn.Sequential(Linear(width, width, spectral), ACTIVATIONS[activation]())


class ResidualLinear(nn.Module):
    """Layer normalisation, linear layer to `multiplier` times the width, activation, linear layer; added to the input.

    The block of Bjorck et al. 2021.
    """

    def __init__(self, width: int, activation: str, spectral: bool, multiplier: float) -> None:
        super().__init__()
        inner = round(multiplier * width)
        first, second = Linear(width, inner, spectral), Linear(inner, width, spectral)
        self.body = nn.Sequential(nn.LayerNorm(width), first, ACTIVATIONS[activation](), second)

    def forward(self, x: Tensor) -> Tensor:  # (B, width)
        out: Tensor = x + self.body(x)
        return out


KERNELS = (3, 5, 7)

CONV_LAYERS: dict[str, Callable[[int, str, bool], nn.Module]] = {
    "id": identity,
    **{f"conv_{kernel}": partial(conv, kernel=kernel) for kernel in KERNELS},
    **{f"residual_{kernel}": partial(ResidualConv, kernel=kernel) for kernel in KERNELS},
    **{f"sep_conv_{kernel}": partial(separable_conv, kernel=kernel) for kernel in KERNELS},
}
"""What makes a searched layer of the encoder, given its width, activation and whether it has a spectral norm."""

LINEAR_LAYERS: dict[str, Callable[[int, str, bool], nn.Module]] = {
    "id": identity,
    "linear": linear,
    "residual_05": partial(ResidualLinear, multiplier=0.5),
    "residual_2": partial(ResidualLinear, multiplier=2.0),
}
"""The same for a searched layer of actor and critic."""


# -- networks -----------------------------------------------------------------------------------------------------


class Encoder(nn.Module):
    """Bytes to [-0.5, 0.5], a 3x3 convolution of stride 2 without padding, the searched layers; all as one vector."""

    def __init__(self, chain: Chain, channels: int, width: int) -> None:
        super().__init__()
        activation, layers, spectral = chain
        first = nn.Sequential(Conv(channels, width, 3, spectral, stride=2), ACTIVATIONS[activation]())
        self.convnet = nn.Sequential(first, *(CONV_LAYERS[kind](width, name, spectral) for kind, name in layers))

    def forward(self, frames: Tensor) -> Tensor:  # (B, channels, H, W), 0 to 255 -> (B, width * out(H) * out(W))
        out: Tensor = self.convnet(frames / 255.0 - 0.5)
        return out.flatten(1)


def make_trunk(inputs: int, trunk: Trunk) -> nn.Sequential:
    """Linear layer, layer normalisation, activation."""
    features, activation = trunk
    return nn.Sequential(nn.Linear(inputs, features), nn.LayerNorm(features), ACTIVATIONS[activation]())


def make_chain(inputs: int, chain: Chain, hidden: int, outputs: int) -> nn.Sequential:
    """First layer, searched layers and a linear layer to the outputs, which never has a spectral norm."""
    activation, layers, spectral = chain
    first = nn.Sequential(Linear(inputs, hidden, spectral), ACTIVATIONS[activation]())
    searched = (LINEAR_LAYERS[kind](hidden, name, spectral) for kind, name in layers)
    return nn.Sequential(first, *searched, nn.Linear(hidden, outputs))


class Actor(nn.Module):
    """The mean of the action, each number of it in [-1, 1]."""

    def __init__(self, inputs: int, trunk: Trunk, policy: Chain, actions: int, hidden: int) -> None:
        super().__init__()
        self.trunk = make_trunk(inputs, trunk)
        self.policy = make_chain(trunk[0], policy, hidden, actions)

    def forward(self, features: Tensor) -> Tensor:  # (B, inputs) -> (B, actions)
        return torch.tanh(self.policy(self.trunk(features)))


class Critic(nn.Module):
    """Two values of an action, by two chains on one trunk."""

    def __init__(self, inputs: int, trunk: Trunk, q1: Chain, q2: Chain, actions: int, hidden: int) -> None:
        super().__init__()
        self.trunk = make_trunk(inputs, trunk)
        self.q1 = make_chain(trunk[0] + actions, q1, hidden, 1)
        self.q2 = make_chain(trunk[0] + actions, q2, hidden, 1)

    def forward(self, features: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:  # (B, inputs), (B, a) -> 2 x (B, 1)
        both = torch.cat([self.trunk(features), action], dim=1)
        return self.q1(both), self.q2(both)


class ControlNetworks(nn.Module):
    """Encoder, actor and critic; called with observations it gives the actor's actions: the policy in use.

    An observation has the shape (channels, height, width), frames one after the other with values from 0 to 255; or
    (d,) for vectors: then there is no encoder, and `encoder` gives back what it is given.

    The weights are drawn from `seed` alone; PyTorch's global generator is left as it was. They are orthogonal matrices
    (Saxe et al. 2014), those of convolutions times the square root of 2, and biases are 0, as in DrQ-v2. With
    `as_published` layers with spectral normalisation keep PyTorch's default weights, as in PBT-NAS's code.
    """

    def __init__(
        self,
        encoder: Chain | None,
        actor: tuple[Trunk, Chain],
        critic: tuple[Trunk, Chain, Chain],
        seed: int,
        observation: Sequence[int],
        actions: int,
        width: int = 32,
        hidden: int = 1024,
        as_published: bool = False,
    ) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)  # not torch.manual_seed: that reseeds the GPUs as well
            self.encoder = nn.Identity() if encoder is None else Encoder(encoder, observation[0], width)
            inputs = observation[0] if encoder is None else width * encoded(observation[1]) * encoded(observation[2])
            self.actor = Actor(inputs, *actor, actions, hidden)
            self.critic = Critic(inputs, *critic, actions, hidden)
            for module in self.modules():
                if isinstance(module, nn.Linear | nn.Conv2d):
                    _draw_weights(module, as_published)

    def forward(self, observations: Tensor) -> Tensor:  # (B, *observation) -> (B, actions)
        out: Tensor = self.actor(self.encoder(observations))
        return out


def encoded(side: int) -> int:
    """The height or width of the encoder's maps, for frames of this one: a window of 3, a stride of 2, no padding."""
    return (side - 3) // 2 + 1


def _draw_weights(layer: nn.Linear | nn.Conv2d, as_published: bool) -> None:
    """To be called before weights get another memory layout: `orthogonal_` refuses channels_last."""
    if layer.weight.is_meta:  # there is nothing to draw, and a QR decomposition imports PyTorch's compiler
        return
    norm = getattr(layer, "norm", None)
    if not (as_published and norm is not None and norm.enabled):
        nn.init.orthogonal_(layer.weight, gain=2**0.5 if isinstance(layer, nn.Conv2d) else 1.0)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    if norm is not None:
        norm.start(layer.weight)
