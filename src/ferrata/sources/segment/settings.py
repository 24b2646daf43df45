"""What a store says about its Segment-shaped calls. Names of metrics are changed by the rules that every source has."""

from pydantic import Field

from ferrata.sources.contract import SourceSettings


class SegmentSettings(SourceSettings):
    """All of them have a default, so that the first call sets the source up."""

    ordered_products: bool = Field(True, description="An Ordered Product for each product of an Order Completed.")
    pages: bool = Field(True, description="page and screen calls become Viewed Page and Viewed Screen. Off: they are skipped.")
    context: tuple[str, ...] = Field(
        (),
        max_length=50,
        description="Fields of the call's context that may go into events, such as page.url or campaign.name. None by default: "
        "addresses of the network and of devices are nobody's business.",
    )
