"""What the service promises. Needs only what the image holds: `python -m unittest discover tests`."""

import unittest

from src import api


def customer(**known: float) -> api.Customer:
    typical = {"tenure_months": 30, "monthly_charge": 65, "support_calls": 1, "contract_months": 12}
    return api.Customer(**(typical | known))


class TheService(unittest.TestCase):
    def test_it_is_well(self) -> None:
        self.assertEqual(api.health(), {"status": "ok"})

    def test_it_says_which_model_it_runs(self) -> None:
        self.assertRegex(api.version()["model_sha256"], "^[0-9a-f]{64}$")

    def test_an_annoyed_newcomer_leaves_and_a_loyal_customer_stays(self) -> None:
        newcomer = api.predict(customer(tenure_months=1, monthly_charge=120, support_calls=6, contract_months=1))
        loyal = api.predict(customer(tenure_months=70, monthly_charge=30, support_calls=0, contract_months=24))
        self.assertTrue(newcomer.churn)
        self.assertFalse(loyal.churn)
        self.assertGreater(newcomer.churn_probability, loyal.churn_probability)

    def test_what_cannot_be_is_refused(self) -> None:
        with self.assertRaises(ValueError):
            customer(tenure_months=-1)


if __name__ == "__main__":
    unittest.main()
