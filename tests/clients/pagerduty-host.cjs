// pagerduty-cli has the address of PagerDuty's REST API as a constant. Loaded with --require before it, this sends what
// goes there to TOCSIN_TEST_HOST (host:port) instead, still over TLS; the client itself is as it was published.
const https = require("https")

const [host, port] = process.env.TOCSIN_TEST_HOST.split(":")
const request = https.request

https.request = function (options, ...rest) {
  if (options && (options.hostname || options.host) === "api.pagerduty.com") {
    options = { ...options, hostname: host, host, port, servername: undefined }
  }
  return request.call(this, options, ...rest)
}
