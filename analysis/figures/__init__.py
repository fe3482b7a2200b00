"""The figures other than Figure 1, one module each: ``write(results)`` draws it below ``<results>/figures``."""
