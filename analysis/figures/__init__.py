"""The figures, one module each: ``write(results)`` draws it below ``<results>`` or ``<results>/figures``."""
