"""What must be true of this project before its image is built: its settings make a pipeline that SageMaker takes."""

from __future__ import annotations

import unittest

from jobmajor import settings
from jobmajor.data import onet, source
from jobmajor.pipeline import definition
from sagelocal.definition import parse as definitions


class Project(unittest.TestCase):
    """The settings of this folder."""

    def test_definition_passes_every_check_that_needs_no_account(self) -> None:
        """Each step's request is checked against the service's own description."""
        parsed = definitions.parse(definition.to_bytes(settings.read()))
        definitions.check(parsed, definitions.bind(parsed.parameters, {}))

    def test_same_settings_give_the_same_bytes(self) -> None:
        """Else every push would change the pipeline."""
        if definition.to_bytes(settings.read()) != definition.to_bytes(settings.read()):
            self.fail("two definitions of the same settings differ")

    def test_bundled_titles_are_read(self) -> None:
        """The package is whole, with its data."""
        if len(onet.read(source.STARTER_FOLDER).titles) < 1000:
            self.fail("there are fewer than 1,000 bundled titles")


if __name__ == "__main__":
    unittest.main()
