import re

import pytest

from mydevices.protocols.apple import models


@pytest.mark.parametrize(
    ("product", "name"),
    [
        ("iPhone10,1", "iPhone 8"),
        ("iPhone10,6", "iPhone X"),
        ("iPhone12,8", "iPhone SE (2nd generation)"),
        ("iPhone14,7", "iPhone 14"),
        ("iPhone17,1", "iPhone 16 Pro"),
        ("iPhone17,5", "iPhone 16e"),
        ("iPhone18,4", "iPhone Air"),
        ("iPad6,11", "iPad (5th generation)"),
        ("iPad13,19", "iPad (10th generation)"),
        ("iPad16,6", "iPad Pro 13-inch (M4)"),
        ("MacBookAir10,1", "MacBook Air (M1, 2020)"),
        ("Mac14,2", "MacBook Air (M2, 2022)"),
        ("Mac16,10", "Mac mini (2024)"),
        ("Mac17,2", "MacBook Pro (14-inch, M5)"),
        ("iPod9,1", "iPod touch (7th generation)"),
        ("RealityDevice14,1", "Apple Vision Pro"),
        ("iPhone99,1", None),
        ("", None),
    ],
)
def test_a_product_has_the_name_that_people_use(product: str, name: str | None) -> None:
    assert models.marketing_name(product) == name


def test_no_product_has_two_names() -> None:
    tables = (models._IPHONES, models._IPADS, models._MACS, models._OTHERS)
    products = [product for table in tables for listed in table.values() for product in listed.split()]
    assert len(products) == len(set(products))
    assert all(re.fullmatch(r"[A-Za-z]+[0-9]+,[0-9]+", product) for product in products)


def test_every_product_of_the_table_has_a_kind_and_a_drawing() -> None:
    for product, name in models._NAMES.items():
        assert models.kind(product) != "unknown", product
        assert models.kind(product) == models.kind(name), product
        assert models.silhouette(product) != "unknown", product
        assert models.os_name(product, "18.0") is not None


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("iPhone17,1", "iphone"),
        ("iPhone", "iphone"),
        ("iPad16,3", "ipad"),
        ("iPod9,1", "ipod"),
        ("Mac16,1", "mac"),
        ("MacBook Pro", "mac"),
        ("iMacPro1,1", "mac"),
        ("VirtualMac2,1", "mac"),
        ("Watch7,5", "watch"),
        ("AppleTV14,1", "tv"),
        ("Apple TV 4K (1st generation)", "tv"),
        ("RealityDevice14,1", "vision"),
        ("Pixel 9", "unknown"),
        ("", "unknown"),
    ],
)
def test_a_kind_is_known_from_a_product_or_a_model(said: str, kind: str) -> None:
    assert models.kind(said) == kind


@pytest.mark.parametrize(
    ("product", "version", "name"),
    [
        ("iPhone17,1", "18.1", "iOS"),
        ("iPhone17,1", None, "iOS"),
        ("iPad16,3", "18.1", "iPadOS"),
        ("iPad16,3", "26.0", "iPadOS"),
        ("iPad16,3", "13.1", "iPadOS"),
        ("iPad6,11", "12.5.7", "iOS"),
        ("iPad16,3", None, "iPadOS"),
        ("Mac16,1", "15.1", "macOS"),
        ("Watch7,5", "11.1", "watchOS"),
        ("AppleTV14,1", "18.1", "tvOS"),
        ("RealityDevice14,1", "2.1", "visionOS"),
        ("Pixel 9", "16", None),
    ],
)
def test_a_system_has_the_name_of_its_time(product: str, version: str | None, name: str | None) -> None:
    assert models.os_name(product, version) == name


@pytest.mark.parametrize(
    ("product", "drawing"),
    [
        ("iPhone9,1", "iphone-home"),
        ("iPhone10,1", "iphone-home"),
        ("iPhone10,2", "iphone-home"),
        ("iPhone12,8", "iphone-home"),
        ("iPhone14,6", "iphone-home"),
        ("iPhone10,3", "iphone-notch"),
        ("iPhone12,1", "iphone-notch"),
        ("iPhone14,5", "iphone-notch"),
        ("iPhone14,8", "iphone-notch"),
        ("iPhone17,5", "iphone-notch"),
        ("iPhone15,2", "iphone"),
        ("iPhone15,4", "iphone"),
        ("iPhone17,1", "iphone"),
        ("iPhone18,4", "iphone"),
        ("iPhone99,1", "iphone"),
        ("iPhone", "iphone"),
        ("iPad7,5", "ipad-home"),
        ("iPad7,1", "ipad-home"),
        ("iPad6,7", "ipad-home"),
        ("iPad7,3", "ipad-home"),
        ("iPad11,1", "ipad-home"),
        ("iPad11,3", "ipad-home"),
        ("iPad12,1", "ipad-home"),
        ("iPad5,3", "ipad-home"),
        ("iPad8,1", "ipad"),
        ("iPad8,5", "ipad"),
        ("iPad13,18", "ipad"),
        ("iPad14,1", "ipad"),
        ("iPad16,3", "ipad"),
        ("iPad", "ipad"),
        ("MacBookPro18,3", "macbook"),
        ("Mac16,1", "macbook"),
        ("Mac17,5", "macbook"),
        ("Mac99,1", "macbook"),
        ("iMac21,1", "imac"),
        ("iMacPro1,1", "imac"),
        ("Mac15,4", "imac"),
        ("Macmini9,1", "mac-mini"),
        ("Macmini7,1", "mac-mini"),
        ("Mac16,10", "mac-mini"),
        ("Mac mini", "mac-mini"),
        ("Mac13,1", "mac-studio"),
        ("Mac14,8", "mac-pro"),
        ("MacPro6,1", "mac-pro"),
        ("iPod9,1", "ipod"),
        ("Watch7,5", "watch"),
        ("AppleTV14,1", "tv"),
        ("RealityDevice14,1", "vision"),
        ("Pixel 9", "unknown"),
    ],
)
def test_a_product_is_drawn_as_it_looks(product: str, drawing: str) -> None:
    assert models.silhouette(product) == drawing
