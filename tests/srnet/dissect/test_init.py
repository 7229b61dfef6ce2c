"""The public names of the package."""

from pkgutil import iter_modules

import srnet.dissect


def test_no_name_is_also_a_modules():
    """Else it would be the module, once something of that module was imported."""
    modules = {module.name for module in iter_modules(srnet.dissect.__path__)}
    assert not modules & set(srnet.dissect.__all__)
    assert "intervene" in srnet.dissect.__all__
