"""Claims on equations 1-5: derived as algebra, and counted on layers."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from analysis.claims.finding import Finding, Formula, Sources
from analysis.cost import closed_form

EQUATION_SIZES = [
    (kernel, inputs, outputs) for kernel in (1, 3, 5, 7) for inputs in (3, 64, 128) for outputs in (3, 64, 128)
]
"""Kernel, input and output channels for which equations are compared as numbers."""


def symbols() -> tuple[Any, Any, Any]:
    """W_k, D and N as positive integers."""
    import sympy

    w, d, n = sympy.symbols("W_k D N", integer=True, positive=True)
    return w, d, n


def parse(printed: str) -> Any:
    """The right side of an equation in W_k, D and N."""
    import sympy

    return sympy.sympify(printed, locals=dict(zip(("W_k", "D", "N"), symbols(), strict=True)))


def derived() -> dict[str, Any]:
    """Multiply-adds per output position, by summing 1 over everything that a convolution sums over."""
    import sympy

    w, d, n = symbols()
    row, column, channel, output = sympy.symbols("i j d n", integer=True)
    kernel = [(row, 1, w), (column, 1, w)]
    one = sympy.Integer(1)
    standard = sympy.summation(one, *kernel, (channel, 1, d), (output, 1, n))
    depthwise = sympy.summation(one, *kernel, (channel, 1, d))
    pointwise = sympy.summation(one, (channel, 1, d), (output, 1, n))
    both = depthwise + pointwise
    return {
        "standard": standard,
        "depth-wise": depthwise,
        "point-wise": pointwise,
        "separable": both,
        "ratio": both / standard,
    }


def counted(kind: str) -> Callable[[int, int, int], int | Fraction]:
    """The same from the layers of `analysis.cost.closed_form`, which are verified against real networks."""

    def macs(kernel: int, inputs: int, outputs: int) -> int | Fraction:
        (standard,) = closed_form.standard_conv("", "", kernel, inputs, outputs)
        depthwise, pointwise = closed_form.separable_conv("", "", kernel, inputs, outputs)
        both = depthwise.macs_per_lr_pixel + pointwise.macs_per_lr_pixel
        values: dict[str, int | Fraction] = {
            "standard": standard.macs_per_lr_pixel,
            "depth-wise": depthwise.macs_per_lr_pixel,
            "point-wise": pointwise.macs_per_lr_pixel,
            "separable": both,
            "ratio": Fraction(both, standard.macs_per_lr_pixel),
        }
        return values[kind]

    return macs


def equation(kind: str, *names: str) -> Callable[[Sources], Finding]:
    """Equation 1-5 by its kind; ``names`` are the right sides that the paper prints."""

    def recompute(sources: Sources) -> Finding:
        formula = Formula(derived()[kind], counted(kind))
        reason = (
            "Derived by summing one multiply-add over the kernel's positions, the input and the output channels; equal "
            f"as algebra (sympy), and equal to the closed form's layers for {len(EQUATION_SIZES)} combinations of "
            "sizes. Per output position, bias left out."
        )
        if kind == "ratio":
            reason += " D cancels, so the ratio depends on N and W_k only, as section 3.2 says."
        return Finding(dict.fromkeys(names, formula), reason)

    return recompute
