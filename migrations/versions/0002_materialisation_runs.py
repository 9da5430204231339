"""What a materialisation read, how many pushed rows it settled, how long it took, and of which kind it was.

Revision: 0002
Follows: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_COUNTS = ("rows_read", "settled")


def upgrade() -> None:
    with op.batch_alter_table("ledger_materialisations", schema=None) as batch_op:
        for name in _COUNTS:
            batch_op.add_column(sa.Column(name, sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("seconds", sa.Double(), nullable=True))
        batch_op.add_column(sa.Column("kind", sa.Text(), nullable=False, server_default="full"))


def downgrade() -> None:
    with op.batch_alter_table("ledger_materialisations", schema=None) as batch_op:
        for name in ("kind", "seconds", *reversed(_COUNTS)):
            batch_op.drop_column(name)
