"""The changes to MiniStack reach every module that uses what they replace."""

import sys
import unittest

import emulated


class Emulated(unittest.TestCase):
    def test_no_module_starts_functions_with_other_credentials(self):
        name = "execution_credentials"
        using = {place: vars(module)[name] for place, module in sys.modules.items()
                 if place.startswith("ministack.") and name in vars(module)}
        self.assertIn("ministack.services.lambda_svc", using)
        for place, used in using.items():
            self.assertIs(used, emulated.execution_credentials, place)


if __name__ == "__main__":
    unittest.main()
