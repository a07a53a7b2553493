"""What ways of telling the user cost on AWS, and what a run cost that was measured.

Pure: amounts out of numbers and prices. The prices are data, in `prices.toml`.
"""

from ringback.awscost.bill import COLUMNS, Bill, Item
from ringback.awscost.breakeven import DIMENSIONS, Dimension, Span, changes
from ringback.awscost.chart import Group, Scale, money, svg
from ringback.awscost.measured import Cost, Invoked, Measured, cost_of
from ringback.awscost.prices import REGION, Price, PriceList, Prices
from ringback.awscost.ways import WAYS, Waiting, Way, bill, bills, cheapest
from ringback.awscost.workload import Workload

__all__ = [
    "COLUMNS",
    "DIMENSIONS",
    "REGION",
    "WAYS",
    "Bill",
    "Cost",
    "Dimension",
    "Group",
    "Invoked",
    "Item",
    "Measured",
    "Price",
    "PriceList",
    "Prices",
    "Scale",
    "Span",
    "Waiting",
    "Way",
    "Workload",
    "bill",
    "bills",
    "changes",
    "cheapest",
    "cost_of",
    "money",
    "svg",
]
