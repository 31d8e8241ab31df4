"""UPI bootstrap: as `ipi_bootstrap`, with a pointer to the config on the user's web server."""

from harness.scenarios.flows.bootstrap import NODE, bootstrap
from harness.scenarios.flows.web_server import BY_WEB_SERVER, web_server

SCENARIO = bootstrap(
    "upi", "UPI bootstrap: config by pointer over HTTP, live-apply at the first boot",
    delivery=BY_WEB_SERVER, services=(web_server(NODE, is_secure=False),),
)  # fmt: skip
