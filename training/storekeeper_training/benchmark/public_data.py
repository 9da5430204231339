"""Where public data sets lie, and where each comes from."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from storekeeper.errors import NotFoundError, SettingError, listing
from storekeeper.settings import DATASETS_VARIABLE


@dataclass(frozen=True)
class PublicData:
    """A public data set.

    Attributes
    ----------
    name
        Its folder under the folder of public data.
    origin
        Where the public original is.
    terms
        Its licence, as found.
    """

    name: str
    origin: str
    terms: str


PUBLIC_DATA: Mapping[str, PublicData] = {
    data.name: data
    for data in (
        PublicData(
            "online_shoppers",
            "UCI Machine Learning Repository, Online Shoppers Purchasing Intention, id 468",
            "CC BY 4.0",
        ),
        PublicData(
            "criteo_sample",
            "github.com/Lapis-Hong/Wide-ResDNN, data/criteo (Criteo Display Advertising)",
            "none stated",
        ),
        PublicData("avazu_sample", "github.com/Lapis-Hong/Wide-ResDNN, data/avazu (Avazu CTR)", "none stated"),
        PublicData("cdnow", "the package lifetimes 0.11.3, lifetimes/datasets/CDNOW_master.txt", "MIT (package)"),
        PublicData("movielens_100k", "GroupLens, ml-100k; also in the package recbole 1.2.1", "GroupLens terms"),
        PublicData(
            "yoochoose_100k", "github.com/rn5l/session-rec, data/rsc15/prepared (RecSys Challenge 2015)", "none stated"
        ),
        PublicData("online_retail", "UCI Machine Learning Repository, Online Retail, id 352", "CC BY 4.0"),
        PublicData("bank_marketing", "UCI Machine Learning Repository, Bank Marketing, id 222", "CC BY 4.0"),
        PublicData("heart_disease", "UCI Machine Learning Repository, Heart Disease, id 45", "CC BY 4.0"),
        PublicData(
            "stallion_sales",
            "github.com/sktime/pytorch-forecasting, examples/data/stallion.parquet",
            "MIT (repository)",
        ),
        PublicData(
            "womens_clothing_reviews",
            "Kaggle, Women's E-Commerce Clothing Reviews (nicapotato)",
            "CC0 as quoted elsewhere",
        ),
    )
}


def find_public_data(name: str, files: tuple[str, ...], env: Mapping[str, str] = os.environ) -> Path:
    """The folder of a public data set, which must hold these files.

    Raises
    ------
    SettingError
        If the variable that names the folder of public data isn't set.
    NotFoundError
        If the folder or a file isn't there; the message says where the public original is.
    """
    named = env.get(DATASETS_VARIABLE)
    data = PUBLIC_DATA[name]
    if not named:
        raise SettingError(
            f"{DATASETS_VARIABLE} is not set. Set it to the folder that holds '{name}/' with {listing(files)}. "
            f"The public original: {data.origin}."
        )
    folder = Path(named).expanduser() / name
    if missing := [file for file in files if not (folder / file).is_file()]:
        raise NotFoundError(
            f"'{folder}' lacks {listing(missing)}, which {DATASETS_VARIABLE} should lead to. "
            f"The public original: {data.origin}."
        )
    return folder
