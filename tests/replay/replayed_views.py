"""A feature repo whose views, between them, use every function over every kind of column, in several windows."""

VIEWS = """
from storekeeper.history.features import FUNCTIONS

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WINDOWS = [(None, None), (HOUR, None), (6 * HOUR, HOUR / 2), (DAY, None), (3 * DAY, 6 * HOUR), (13 * DAY, None)]
COLUMNS = {
    "cents": ("int", Int64), "price": ("float", Float64), "saved": ("bool", Bool), "event_type": ("string", String),
    "hour": ("timestamp", UnixTimestamp), "": ("event", Int64),
}
product = Entity(name="product", join_keys=["product_id"], value_type=ValueType.INT64)
category = Entity(name="category", join_keys=["category"], value_type=ValueType.STRING)
customer = Entity(name="customer", join_keys=["customer_id"], value_type=ValueType.INT64)

def history(name, **options):
    return DuckDBSource(
        name=f"{name}_log", database=f"data/{name}.duckdb", table="log", timestamp_field="event_time",
        created_timestamp_column="known_time", **options,
    )
looks = PushSource(name="looks", batch_source=history("looks"))
orders = PushSource(name="orders", batch_source=history("orders", tags={"event_id": "number"}))

def result(function, kind, declared):
    if function in {"count", "count_distinct"}:
        return Int64
    if function in {"mean", "std", "var", "seconds_since_last", "seconds_since_first"}:
        return Float64
    if function == "sum":
        return Float64 if kind == "float" else Int64
    return Array(declared) if function == "last_n" else declared

def windowed(name, entities, source, turn):
    aggregations, fields = [], []
    for column, (kind, declared) in COLUMNS.items():
        for function in (name for name, kinds in FUNCTIONS.items() if kind in kinds):
            window, hop = WINDOWS[(len(fields) + turn) % len(WINDOWS)]
            feature = f"{name}_{function}_{column or 'event'}"
            aggregations.append(Aggregation(
                column=column, function="last_n(4)" if function == "last_n" else function, name=feature,
                time_window=window, slide_interval=hop,
            ))
            fields.append(Field(name=feature, dtype=result(function, kind, declared)))
    return StreamFeatureView(
        name=name, entities=entities, source=source, timestamp_field="event_time", schema=fields,
        aggregations=aggregations,
    )
def latest(name, entities, source, ttl):
    return FeatureView(name=name, entities=entities, source=source, ttl=ttl, schema=[
        Field(name=column, dtype=declared) for column, (_, declared) in COLUMNS.items() if column
    ])
of_customer = windowed("of_customer", [customer], looks, 0)
of_both = windowed("of_both", [customer, category], looks, 1)
of_all = windowed("of_all", [], looks, 2)
by_customer = windowed("by_customer", [customer], orders, 3)
of_product = windowed("of_product", [product], orders, 4)
of_category = windowed("of_category", [category], orders, 5)
newest_look = latest("newest_look", [customer], looks, timedelta(hours=20))
newest_of_both = latest("newest_of_both", [customer, category], looks, timedelta(0))
newest_order = latest("newest_order", [product], orders, timedelta(days=2))
newest_of_all = latest("newest_of_all", [], orders, timedelta(minutes=90))
LATEST = [newest_look, newest_of_both, newest_order, newest_of_all]
every_window = FeatureService(name="windows", features=[
    of_customer, of_both, of_all, by_customer, of_product, of_category,
])
every_latest = [FeatureService(name=view.name, features=[view]) for view in LATEST]
newest_look_service, newest_of_both_service, newest_order_service, newest_of_all_service = every_latest
"""
SERVICES = ("windows", "newest_look", "newest_of_both", "newest_order", "newest_of_all")
#: The columns that windows look at, and their kinds; without a name the event itself.
KINDS = {
    "cents": "int",
    "price": "float",
    "saved": "bool",
    "event_type": "string",
    "hour": "timestamp",
    "event": "event",
}
