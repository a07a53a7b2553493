/** What the hooks say to TypeScript, as `tsc` checks it; Vitest only finds that it compiles. */

import { expectTypeOf, test } from "vitest";
import type { Client, Message, Operation, Subscription } from "../../src/index.js";
import {
  createHooks,
  type DataOf,
  type Hooks,
  type OperationView,
  type Submission,
  type TopicState,
  type TopicView,
} from "../../src/react/index.js";

interface Report {
  pages: number;
}

interface Api {
  tasks: {
    report: { input: { months: number }; result: Report; part: string };
    sweep: { input: Record<string, never>; result: null };
  };
  topics: {
    "rooms/{room}": { text: string };
    "rooms/{room}/typing": boolean;
    "prices/#": { cents: number };
  };
}

const { useSubmit, useOperation, useTopic }: Hooks<Api> = createHooks<Api>();

test("tasks and topics have their types", () => {
  type Room = { text: string };
  expectTypeOf(useSubmit<"report">).returns.toEqualTypeOf<
    Submission<{ months: number }, Report, string>
  >();
  expectTypeOf<DataOf<Api, "rooms/1">>().toEqualTypeOf<Room>();
  expectTypeOf<DataOf<Api, "rooms/+">>().toEqualTypeOf<Room>();
  expectTypeOf<DataOf<Api, `rooms/${string}`>>().toEqualTypeOf<Room>();
  expectTypeOf<DataOf<Api, "rooms/{room}">>().toEqualTypeOf<Room>();
  expectTypeOf<DataOf<Api, "rooms/1/typing">>().toEqualTypeOf<boolean>();
  expectTypeOf<DataOf<Api, "rooms/#">>().toEqualTypeOf<Room | boolean>();
  expectTypeOf<DataOf<Api, "prices/tea/green">>().toEqualTypeOf<{ cents: number }>();
  expectTypeOf<DataOf<Pick<Api, "tasks">, "rooms/1">>().toEqualTypeOf<unknown>();
  expectTypeOf<DataOf<Api, "elsewhere">>().toEqualTypeOf<unknown>();
  expectTypeOf<DataOf<Api, string>>().toEqualTypeOf<unknown>();
});

/** Never called: what a page without React would say. */
async function page(client: Client<Api>, room: string) {
  const messages = client.subscribe(`rooms/${room}`, ({ data }) => data.text);
  expectTypeOf(messages).toEqualTypeOf<Subscription<{ text: string }>>();
  expectTypeOf(client.subscribe("rooms/#")).toEqualTypeOf<
    Subscription<{ text: string } | boolean>
  >();
  expectTypeOf(client.subscribe<{ own: 1 }>("elsewhere")).toEqualTypeOf<Subscription<{ own: 1 }>>();
  expectTypeOf(client.subscribe(room)).toEqualTypeOf<Subscription<unknown>>();
  await client.publish("rooms/1", { text: "here" });
  // @ts-expect-error: not what messages of rooms are
  await client.publish("rooms/1", { txt: "here" });
  await client.publish("elsewhere", { anything: true });
  const operation = await client.submit("report", { months: 3 });
  expectTypeOf(operation).toEqualTypeOf<Operation<Report, string>>();
}
void page;

/** Never called: what a component would say. */
function Component({ room, operation }: { room: string; operation: Operation<1, 2> }) {
  const { submit } = useSubmit("report");
  void submit({ months: 3 });
  // @ts-expect-error: a number
  void submit({ months: "3" });
  // @ts-expect-error: no such task
  useSubmit("raport");
  const topic = useTopic(`rooms/${room}`, { onMessage: ({ data }) => data.text });
  expectTypeOf(topic).toEqualTypeOf<TopicView<{ text: string }>>();
  const sum = useTopic(["rooms/1", "rooms/2"], {
    initial: 0,
    reduce: (length, message) => length + message.data.text.length,
  });
  expectTypeOf(sum).toEqualTypeOf<TopicState<{ text: string }, number>>();
  expectTypeOf(sum.latest).toEqualTypeOf<Message<{ text: string }> | null>();
  expectTypeOf(useOperation(operation)).toEqualTypeOf<OperationView<1, 2>>();
  const ref = { id: "", token: "", task: "report" } as const;
  expectTypeOf(useOperation(ref)).toEqualTypeOf<OperationView<Report, string>>();
}
void Component;
