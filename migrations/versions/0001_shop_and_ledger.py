"""The tables of the shop and of the ledger.

Revision: 0001
Follows: nothing
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "campaigns",
        sa.Column("campaign_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("campaign_type", sa.Text(), nullable=True),
        sa.Column("starts_at", sa.DateTime(), nullable=False),
        sa.Column("ends_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("campaign_id", name=op.f("pk_campaigns")),
    )
    op.create_table(
        "customers",
        sa.Column("customer_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("updated_at", sa.DateTime(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(), nullable=False),
        sa.Column("age_band", sa.Text(), nullable=True),
        sa.Column("income_band", sa.Text(), nullable=True),
        sa.Column("home_ownership", sa.Text(), nullable=True),
        sa.Column("marital_status", sa.Text(), nullable=True),
        sa.Column("household_size", sa.Text(), nullable=True),
        sa.Column("household_composition", sa.Text(), nullable=True),
        sa.Column("kids_count", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("customer_id", "updated_at", name=op.f("pk_customers")),
    )
    op.create_table(
        "offers",
        sa.Column("campaign_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("offer_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("product_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("campaign_id", "offer_id", "product_id", name=op.f("pk_offers")),
    )
    op.create_table(
        "products",
        sa.Column("product_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("updated_at", sa.DateTime(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(), nullable=False),
        sa.Column("sku", sa.Text(), nullable=True),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("brand", sa.Text(), nullable=True),
        sa.Column("manufacturer_id", sa.BigInteger(), nullable=True),
        sa.Column("department", sa.Text(), nullable=True),
        sa.Column("category", sa.Text(), nullable=True),
        sa.Column("product_type", sa.Text(), nullable=True),
        sa.Column("package_size", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("product_id", "updated_at", name=op.f("pk_products")),
    )
    op.create_table(
        "ledger_datasets",
        sa.Column("task", sa.String(length=200), nullable=False),
        sa.Column("dataset_hash", sa.String(length=200), nullable=False),
        sa.Column("spine_hash", sa.Text(), nullable=False),
        sa.Column("definition_hash", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("task", "dataset_hash", name=op.f("pk_ledger_datasets")),
    )
    op.create_table(
        "ledger_loads",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("loader", sa.String(length=200), nullable=False),
        sa.Column("source_fingerprint", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(), nullable=False),
        sa.Column("finished_at", sa.DateTime(), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_loads")),
    )
    with op.batch_alter_table("ledger_loads", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_ledger_loads_loader"), ["loader"], unique=False)

    op.create_table(
        "ledger_materialisations",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("view", sa.String(length=200), nullable=False),
        sa.Column("start", sa.DateTime(), nullable=True),
        sa.Column("end", sa.DateTime(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_materialisations")),
    )
    with op.batch_alter_table("ledger_materialisations", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_ledger_materialisations_view"), ["view"], unique=False)

    op.create_table(
        "ledger_model_runs",
        sa.Column("task", sa.String(length=200), nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("version", sa.String(length=200), nullable=False),
        sa.Column("dataset_hash", sa.Text(), nullable=False),
        sa.Column("definition_hash", sa.Text(), nullable=False),
        sa.Column("metrics", sa.JSON(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("task", "model", "version", name=op.f("pk_ledger_model_runs")),
    )


def downgrade() -> None:
    op.drop_table("ledger_model_runs")
    with op.batch_alter_table("ledger_materialisations", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_ledger_materialisations_view"))

    op.drop_table("ledger_materialisations")
    with op.batch_alter_table("ledger_loads", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_ledger_loads_loader"))

    op.drop_table("ledger_loads")
    op.drop_table("ledger_datasets")
    op.drop_table("products")
    op.drop_table("offers")
    op.drop_table("customers")
    op.drop_table("campaigns")
