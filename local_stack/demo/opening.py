"""The first acts: the provider opens, the reseller connects and prices, clients come."""

from local_stack.demo.cast import (
    ANNA_PAYS,
    BORIS_PAYS,
    DISCOUNT,
    MARKUP,
    PARTNER_PAYS,
    PRICES,
    RAM_MIB,
    SETUP_FEE,
    Cast,
)
from local_stack.demo.stage import cents


def provider_opens(cast: Cast) -> None:
    """Data centre, OS template, tariff, partner, key, offer, payment."""
    stage, provider = cast.stage, cast.provider
    stage.act("The provider opens a shop for resellers")
    place = provider.make_data_center(f"demo-{cast.tag}", platform=cast.platform)
    known = [row["code"] for row in provider.every_os_template()]
    if cast.os not in known:
        provider.make_os_template(cast.os, title=cast.os.title(), image=cast.os)
    tariff = provider.make_tariff(
        f"vm-s-{cast.tag}",
        title="VM S",
        data_center=place["code"],
        os_templates=[cast.os],
        ram_mib=RAM_MIB[cast.platform],
        prices=PRICES,
        setup_fee=SETUP_FEE,
        stock=10,
    )
    stage.tell(f"data centre {place['code']}, OS template {cast.os}, tariff {tariff['code']}")
    stage.table(
        "period",
        "list price",
        "set-up",
        rows=[(period, cents(price), cents(SETUP_FEE)) for period, price in PRICES.items()],
    )
    cast.partner, cast.key = provider.make_partner(f"Demo reseller {cast.tag}")
    provider.offer(cast.partner["id"], tariff["id"], discount_percent=DISCOUNT)
    provider.top_up(cast.partner["id"], PARTNER_PAYS)
    stage.tell(f"partner {cast.partner['name']} with a key, the tariff at {DISCOUNT} % discount")
    stage.sees("provider", f"the partner's balance: {cents(cast.partner_balance())}")
    stage.check(
        that="the partner's payment is on his account", holds=cast.partner_balance() == PARTNER_PAYS
    )


def reseller_connects(cast: Cast) -> None:
    """A wrong key is refused, the right one connects, tariffs are imported with a markup."""
    stage, reseller = cast.stage, cast.reseller
    stage.act("The reseller connects to the provider and sets prices")
    url = cast.urls.get("seller", cast.urls["selling"])
    name = f"Provider {cast.tag}"
    wrong = {"name": name, "url": url, "key": cast.key[:-4] + "AAAA"}
    problem = reseller.refused("seller_key_refused", "POST", "/staff/v1/sellers", wrong)
    stage.tell(f"with a wrong key: {problem['title']}")
    cast.seller = reseller.connect(name, url=url, key=cast.key)
    stage.tell(f"with the right key: connected to {url}")
    stage.sees(
        "reseller",
        f"edition {cast.seller['edition']}, contract {cast.seller['contract_min']} to "
        f"{cast.seller['contract_max']}, link {cast.seller['link']['state']}",
    )
    stage.check(
        that="the provider's edition may be resold", holds=cast.seller["edition"] == "hosting_cloud"
    )
    tariffs = reseller.import_tariffs(cast.seller["id"], markup_percent=MARKUP)
    stage.check(that="one tariff came over", holds=len(tariffs) == 1)
    cast.tariff = tariffs[0]
    stage.tell(f"imported with a markup of {MARKUP} %")
    stage.table(
        "period",
        "cost",
        "client pays",
        "margin",
        rows=[
            (
                row["period"],
                cents(row["cost"]["amount"]),
                cents(row["price"]["amount"]),
                cents(row["margin"]["amount"]),
            )
            for row in cast.tariff["prices"]
        ],
    )
    stage.check(
        that="a month costs the reseller 4.00 € (20 % off 5.00 €) and the client 6.00 €",
        holds=(cast.price["cost"]["amount"], cast.price["price"]["amount"]) == (400, 600),
    )


def clients_come(cast: Cast) -> None:
    """Two people sign up at the reseller and pay something in."""
    stage = cast.stage
    stage.act("Two clients sign up at the reseller")
    for client, amount in ((cast.anna, ANNA_PAYS), (cast.boris, BORIS_PAYS)):
        client.sign_up()
        cast.reseller.top_up(client.id, amount)
        stage.tell(f"{client.name} <{client.email}> pays in {cents(amount)}")
        stage.check(that="it is on the client's account", holds=client.balance() == amount)
    offers = cast.anna.every("/client/v1/tariffs")
    mine = next(row for row in offers if row["id"] == cast.tariff["id"])
    size = mine["resources"]
    stage.sees(
        "client",
        f"tariff {mine['name']}: {size['vcpu']} vCPU, {size['ram_mib']} MiB RAM, "
        f"{size['disk_gib']} GiB disk, {len(mine['prices'])} periods",
    )
    shown = str(mine)
    stage.check(
        that="the offer tells the client nothing of cost and margin",
        holds="cost" not in shown and "margin" not in shown,
    )
