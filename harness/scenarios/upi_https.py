"""UPI bootstrap: as `upi`, over HTTPS, with the CA in the pointer."""

from harness.scenarios.flows.bootstrap import NODE, bootstrap
from harness.scenarios.flows.web_server import BY_WEB_SERVER, web_server

SCENARIO = bootstrap(
    "upi_https", "UPI bootstrap: config by pointer over HTTPS, live-apply at the first boot",
    delivery=BY_WEB_SERVER, services=(web_server(NODE, is_secure=True),),
)  # fmt: skip
