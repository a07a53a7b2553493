// The browser client, as the page has it: follows topics from a position by one transport, and says
// on lines of JSON what it is told.
// node follower.mjs CLIENT URL WEBSOCKET TRANSPORT POSITION TOPIC…

const [client, url, webSocketUrl, transport, after, ...topics] = process.argv.slice(2);
const { connect } = await import(client);

process.stdin.resume().on("end", () => process.exit());
const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
const rb = connect(url, { webSocketUrl: webSocketUrl || undefined, transports: [transport] });
rb.onConnection(({ status }) => say({ status }));
for (const topic of topics) void follow(topic);

async function follow(topic) {
  for await (const { data } of rb.subscribe(topic, undefined, { after })) say({ data });
}
