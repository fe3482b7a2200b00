"""Networks that are awkward to count or to lighten, one of each kind."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, weight_norm


def conv(inputs: int = 3, outputs: int = 8) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class PlainTensor(nn.Module):
    """A tensor that is neither parameter nor buffer, and one made on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = torch.tensor([0.4, 0.4, 0.4]).view(1, 3, 1, 1)
        self.conv = conv()

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.conv(x - self.mean) + torch.zeros(1, 8, 1, 1)
        return output


class OnCPU(nn.Module):
    """Makes a tensor on a device that it names, which the meta device cannot follow."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = conv()

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.conv(x + torch.rand(1, 3, 1, 1, device="cpu"))
        return output


class BranchesOnValue(nn.Module):
    """Runs the second layer for bright images alone; the random ones are bright."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = conv(), conv(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.one(x)
        if x.mean() > 0.25:
            output = self.two(output)
        return output


class TwoInputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = conv(), conv(1)

    def forward(self, image: Tensor, noise: Tensor) -> Tensor:
        output: Tensor = self.first(image) + self.second(noise)
        return output


class TakesATuple(TwoInputs):
    def forward(self, both: tuple[Tensor, Tensor]) -> Tensor:  # type: ignore[override]
        return super().forward(*both)


class AlsoInAList(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = conv(3, 16), conv(16, 16)
        self.layers = [self.one, self.two]
        self.table = {"first": (self.one,), "second": {"it": self.two}}

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class InATable(AlsoInAList):
    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.table["second"]["it"](self.table["first"][0](x))  # type: ignore[call-overload,index]
        return output


class Holder:
    """An object that is no module."""

    def __init__(self, layer: nn.Module) -> None:
        self.layer = layer


class InAnObject(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one = conv()
        self.holder = Holder(self.one)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.holder.layer(x)
        return output


class InAFunction(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one = conv()
        one = self.one
        self.run = lambda x: one(x)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.run(x)
        return output


class WeightUsedDirectly(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = conv(), conv(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.two(F.conv2d(x, self.one.weight, padding=1))
        return output


class NeverCalled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.unused = conv()

    def forward(self, x: Tensor) -> Tensor:
        return 2 * x


class NotRegistered(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = [conv(), conv(8, 8)]

    def forward(self, x: Tensor) -> Tensor:
        return self.layers[1](self.layers[0](x))  # type: ignore[no-any-return]


class Mixed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.plane, self.line = conv(3, 16), nn.Conv1d(16, 16, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.line(self.plane(x).flatten(2))
        return output


class Recursive(nn.Module):
    """Holds itself, and calls itself."""

    def __init__(self) -> None:
        super().__init__()
        self.one = conv(3, 3)
        self.me = self

    def forward(self, x: Tensor, depth: int = 2) -> Tensor:
        output: Tensor = self.one(x)
        return output if depth == 0 else self.me(output, depth - 1)


class Merged(nn.Module):
    """Merges a 1x1 and a 3x3 kernel by a convolution each time it runs, as reparametrised networks do."""

    def __init__(self) -> None:
        super().__init__()
        self.wide, self.narrow = nn.Conv2d(4, 8, 1, bias=False), nn.Conv2d(8, 4, 3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        kernel = F.conv2d(self.narrow.weight, self.wide.weight.permute(1, 0, 2, 3))
        return F.conv2d(x, kernel, padding=1)


class Keyword(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(3, 8, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.up(input=x, output_size=[2 * x.shape[2] + 2, 2 * x.shape[3] + 2])
        return output


class Products(nn.Module):
    """(4, 5) and (5): matrix by vector, vector by vector, and with something added."""

    def forward(self, matrix: Tensor, vector: Tensor) -> Tensor:
        products = matrix @ vector + torch.einsum("ij,j->i", matrix, vector)
        return products * torch.dot(vector, vector) + torch.addmv(products, matrix, vector)


class Attention(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(x, x, x)


class Spectrum(nn.Module):
    """Holds an operator that there is no rule for."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = conv()

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.conv(torch.fft.fft2(x).real)
        return output


def normed(count: int) -> nn.Module:
    return nn.Sequential(*(parametrizations.weight_norm(conv(8, 8)) for _ in range(count)))


def old_normed() -> nn.Module:
    return nn.Sequential(weight_norm(conv(3, 16)), nn.ReLU(), weight_norm(conv(16, 3)))


def spectral() -> nn.Module:
    return parametrizations.spectral_norm(conv(3, 8))


def lazy() -> nn.Module:
    return nn.Sequential(nn.LazyConv2d(16, 3, padding=1), nn.ReLU(), conv(16, 3))


def partly_scripted() -> nn.Module:
    return nn.Sequential(torch.jit.script(conv(3, 4)), conv(4, 8))
