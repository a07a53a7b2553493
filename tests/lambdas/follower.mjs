// The browser client, as a page has it: follows topics, and says on lines of JSON what it is told.
// node follower.mjs CLIENT URL WEBSOCKET

const [client, url, webSocketUrl] = process.argv.slice(2);
const { connect } = await import(client);

process.stdin.resume().on("end", () => process.exit());
const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
const rb = connect(url, { webSocketUrl, transports: ["websocket"] });
rb.onConnection(({ status }) => say({ status }));
const tea = rb.subscribe("tea/+", undefined, { onCurrent: () => say({ current: true }) });
for await (const { topic, data } of tea) say({ topic, data });
