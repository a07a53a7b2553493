// The browser client, as a page has it: follows a topic, and says on a line of JSON what it is told.
// node follower.mjs CLIENT URL WEBSOCKET

const [client, url, webSocketUrl] = process.argv.slice(2);
const { connect } = await import(client);

const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
const rb = connect(url, { webSocketUrl, transports: ["websocket"] });
rb.onConnection((connection) => say({ status: connection.status }));
const messages = rb.subscribe("tea/+", { onCurrent: () => say({ current: true }) });
for await (const { topic, data } of messages) {
  say({ topic, data });
}
