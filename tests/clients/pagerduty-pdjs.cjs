// An incident's life through @pagerduty/pdjs: told server, key, service and routing key, it prints what it read.
const { api, trigger, acknowledge, resolve, change } = require("@pagerduty/pdjs")

const [server, token, service, routing_key] = process.argv.slice(2)

async function main() {
  const pd = api({ server, token })
  const told = {}
  const made = await pd.post("/incidents", {
    data: { incident: { type: "incident", title: "From pdjs", service: { id: service, type: "service_reference" } } },
  })
  told.created = [made.status, made.data.incident.title, made.data.incident.status]
  const path = `/incidents/${made.data.incident.id}`
  told.id = made.data.incident.id
  const taken = await pd.put(path, { data: { incident: { type: "incident_reference", status: "acknowledged" } } })
  told.acknowledged = [taken.status, taken.data.incident.status]
  const note = await pd.post(`${path}/notes`, { data: { note: { content: "Looking" } } })
  told.note = [note.status, note.data.note.content]
  const snoozed = await pd.post(`${path}/snooze`, { data: { duration: 3600 } })
  told.snoozed = [snoozed.status, snoozed.data.incident.pending_actions[0].type]
  const listed = await pd.get("/incidents", {
    queryParameters: { "statuses[]": ["acknowledged"], "service_ids[]": [service] },
  })
  told.listed = listed.data.incidents.map((one) => one.id)
  const ended = await pd.put(path, { data: { incident: { type: "incident_reference", status: "resolved" } } })
  told.resolved = [ended.status, ended.data.incident.status]
  const again = await pd.put(path, { data: { incident: { type: "incident_reference", status: "resolved" } } })
  told.again = [again.status, again.data.error.code]

  const payload = { summary: "Disk full", source: "db-1", severity: "critical" }
  const sent = await trigger({ server, data: { routing_key, dedup_key: "pdjs", payload } })
  told.triggered = [sent.response.status, sent.data.status, sent.data.dedup_key]
  told.events = []
  for (const send of [acknowledge, resolve]) {
    told.events.push((await send({ server, data: { routing_key, dedup_key: "pdjs" } })).response.status)
  }
  const changed = await change({ server, data: { routing_key, payload: { summary: "Deploy", source: "ci" } } })
  told.changed = changed.response.status
  console.log(JSON.stringify(told))
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
