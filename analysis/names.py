"""What things are called: the scale of the study, display names, and the labels of rows in published tables."""

from replication.network import DEFAULT_SCALE

SCALE = DEFAULT_SCALE
"""The scale of the paper's experiments; what the pages and figures show unless they say otherwise."""

DISPLAY = {
    "bicubic": "Bicubic",
    "msrn": "MSRN",
    "smsrn": "SMSRN",
    "edsr-baseline": "EDSR-baseline",
    "edsr-baseline-separable": "EDSR-baseline, separable",
}
"""Names of the methods in headings and tables."""

IN_TEXT = {**DISPLAY, "bicubic": "bicubic"}
"""The same inside a sentence or a caption."""

MSRN_ROW = "MSRN (repo, 2019-06 retrain)"
"""The row of sota_x4.csv with the network that the paper calls MSRN."""

PUBLISHED_LABELS = {
    "MSRN (paper)": "MSRN 2018",
    "MSRN (repo, 2018-11 retrain)": "MSRN 2018-11",
    MSRN_ROW: "MSRN 2019-06",
}
"""Labels of the published MSRN versions: the 2018 paper (another network), and two trainings by its authors."""

VARIANTS: dict[tuple[str, bool], str] = {
    ("msrn", False): "MSRN",
    ("msrn", True): "MSRN, folded",
    ("smsrn", False): "SMSRN",
    ("smsrn", True): "SMSRN, folded",
}
"""Labels of the networks as they run, by method and whether they are folded."""

BACKEND_NAMES = {"torch": "PyTorch", "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}
"""Names of the backends."""
