"""The list of claims with the function that recomputes each.

The paper's words and numbers are in paper/claims.toml. No function sees them: `analysis.claims.verdict` compares.
"""

from collections.abc import Callable

from analysis.claims.costs import (
    computation_too,
    other_networks,
    ratio,
    recursive_networks,
    saving,
    saving_mean,
    saving_network,
    separable_replaces,
)
from analysis.claims.equations import equation
from analysis.claims.finding import Finding, Sources
from analysis.claims.judgement import by_eye, choose_model, depends_on_original, mobile
from analysis.claims.literature import figure_1, four_sets, latest, proposed_in
from analysis.claims.metrics import definitions
from analysis.claims.quality import average, kept, rgb_better, table1_values
from analysis.claims.structure import (
    block_channels,
    block_residual,
    depthwise_alone,
    equal_maps,
    fusion,
    kernel_sizes,
    large_kernels,
    msrn_luma,
    parameters,
    pointwise_kernel,
    replaced_layers,
    rgb_channels,
    same_structure,
    scale,
    share,
)
from analysis.claims.training import augmentations, loss, optimiser, pictured_images, same_training, setting

RECOMPUTE: dict[str, Callable[[Sources], Finding]] = {
    "share-14.64": share,
    "psnr-98.53": kept("psnr"),
    "by-eye": by_eye,
    "other-networks": other_networks,
    "latest": latest,
    "mobile": mobile,
    "proposed-in-mobilenet": proposed_in,
    "figure-1": figure_1,
    "scale": scale,
    "same-structure": same_structure,
    "kernel-sizes": kernel_sizes,
    "fusion-1x1": fusion,
    "large-kernels": large_kernels,
    "msrn-luma": msrn_luma,
    "rgb-channels": rgb_channels,
    "rgb-better": rgb_better,
    "depth-wise": depthwise_alone,
    "pointwise-1x1": pointwise_kernel,
    "separable-replaces": separable_replaces,
    "recursive-networks": recursive_networks,
    "replaced-layers": replaced_layers,
    "block-channels": block_channels,
    "block-residual": block_residual,
    "equal-maps": equal_maps,
    "equation-1": equation("standard", "standard convolution"),
    "equation-2": equation("depth-wise", "depth-wise convolution"),
    "equation-3": equation("point-wise", "point-wise convolution"),
    "equation-4": equation("separable", "depth-wise and point-wise"),
    "equation-5": equation("ratio", "as a quotient", "as a sum"),
    "ratio-3x3": ratio(3),
    "saving-88": saving(3),
    "ratio-5x5": ratio(5),
    "saving-95": saving(5),
    "saving-92": saving_mean,
    "saving-92-network": saving_network,
    "share-14.63": share,
    "same-training": same_training,
    "training-data": setting(dataset=lambda used: used.dataset),
    "augmentation": setting("The range of the scaling is not said.", augmentations=augmentations),
    "loss": setting("Computed by the training loop (replication/train.py).", loss=loss),
    "learning-rate": setting(optimiser=optimiser, initial_rate=lambda used: f"{used.learning_rate:g}"),
    "batch": setting(batch=lambda used: str(used.batch_size)),
    "epochs": setting(
        "The length of an epoch is not said.", epochs=lambda used: f"{used.steps / used.steps_per_epoch:g}"
    ),
    "patch": setting(
        "Whether the 256 pixels are HR or LR is not said (results/assumptions.md).",
        patch=lambda used: str(used.hr_patch),
    ),
    "four-sets": four_sets,
    "metrics": definitions,
    "table1-msrn-psnr": table1_values("msrn", "psnr"),
    "table1-msrn-ssim": table1_values("msrn", "ssim"),
    "table1-smsrn-psnr": table1_values("smsrn", "psnr"),
    "table1-smsrn-ssim": table1_values("smsrn", "ssim"),
    "average-msrn-psnr": average("msrn", "psnr"),
    "average-msrn-ssim": average("msrn", "ssim"),
    "average-smsrn-psnr": average("smsrn", "psnr"),
    "average-smsrn-ssim": average("smsrn", "ssim"),
    "psnr-98.5": kept("psnr"),
    "ssim-98.3": kept("ssim"),
    "parameters-msrn": parameters("msrn"),
    "parameters-smsrn": parameters("smsrn"),
    "share-14.6": share,
    "ssim-98.27": kept("ssim"),
    "computation-too": computation_too,
    "depends-on-original": depends_on_original,
    "choose-model": choose_model,
    "pictured-images": pictured_images,
}
"""The function that recomputes each claim of paper/claims.toml, by id."""
