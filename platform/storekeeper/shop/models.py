"""The shop's slow-changing tables as SQLAlchemy models.

A row's key includes the time at which it became true (`updated_at`), so that history is kept: training sees the
row that was true at its moment. `recorded_at` is when the platform could first know it. All times are UTC.
"""

from datetime import datetime
from typing import ClassVar

from sqlalchemy import BigInteger, MetaData, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from storekeeper.database import NAMING, UtcDateTime


class ShopBase(DeclarativeBase):
    """Root of the shop's models."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar = {int: BigInteger, str: Text, datetime: UtcDateTime}


class Customer(ShopBase):
    """Who a customer was from `updated_at` on. Bands are the source's own words; unknown is null."""

    __tablename__ = "customers"

    customer_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    updated_at: Mapped[datetime] = mapped_column(primary_key=True)
    recorded_at: Mapped[datetime]
    age_band: Mapped[str | None]
    income_band: Mapped[str | None]
    home_ownership: Mapped[str | None]
    marital_status: Mapped[str | None]
    household_size: Mapped[str | None]
    household_composition: Mapped[str | None]
    kids_count: Mapped[str | None]


class Product(ShopBase):
    """What a product was from `updated_at` on."""

    __tablename__ = "products"

    product_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    updated_at: Mapped[datetime] = mapped_column(primary_key=True)
    recorded_at: Mapped[datetime]
    sku: Mapped[str | None]
    title: Mapped[str | None]
    brand: Mapped[str | None]
    manufacturer_id: Mapped[int | None]
    department: Mapped[str | None]
    category: Mapped[str | None]
    product_type: Mapped[str | None]
    package_size: Mapped[str | None]


class Campaign(ShopBase):
    """A campaign and the time that it ran, `starts_at` to `ends_at`, both inclusive."""

    __tablename__ = "campaigns"

    campaign_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    campaign_type: Mapped[str | None]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]


class Offer(ShopBase):
    """A coupon of a campaign and one product that it covers."""

    __tablename__ = "offers"

    campaign_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    offer_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    product_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
