// @vitest-environment jsdom
/** Giving an answer, withdrawing it, and giving it again: each is done, however soon. */

import { act } from "react";
import { createRoot } from "react-dom/client";
import type { Client, Operation } from "ringback";
import { expect, test, vi } from "vitest";
import type { DetailView } from "../src/detail.js";
import { SignInProvider } from "../src/parts/SignIn.js";
import { RingbackProvider } from "../src/ringback.js";
import { type Services, ServicesProvider } from "../src/services.js";
import { UNKNOWN } from "../src/state/detail.js";
import { Store } from "../src/state/store.js";
import type { AskApi } from "../src/types.js";
import { type Answering, useAnswering } from "../src/views/Answer.js";
import { answer, question } from "./things.js";

test("what was withdrawn is given again, and what was given again is withdrawn", async () => {
  vi.stubGlobal("IS_REACT_ACT_ENVIRONMENT", true);
  const asked = question("a");
  const submitted: [string, unknown][] = [];
  const submit = async (task: string, input: { stars?: number }): Promise<Partial<Operation>> => {
    submitted.push([task, input]);
    const given = input.stars === undefined ? null : answer("a", input.stars);
    const result = { question: asked, answer: given };
    return { status: "succeeded", result: () => Promise.resolve(result as never) };
  };
  const client = { submit } as unknown as Client<AskApi>;
  const services = {
    signIn: { person: new Store({ id: "ada", name: "Ada" }) },
    notice: new Store(""),
  } as unknown as Services;
  const told: unknown[] = [];
  const detail = {
    ...UNKNOWN,
    answered: (news: unknown) => told.push(news),
  } as unknown as DetailView;
  let now: Answering | undefined;
  function Page(): null {
    now = useAnswering(asked, detail);
    return null;
  }
  const root = createRoot(document.createElement("div"));
  await act(async () =>
    root.render(
      <ServicesProvider value={services}>
        <RingbackProvider client={client}>
          <SignInProvider>
            <Page />
          </SignInProvider>
        </RingbackProvider>
      </ServicesProvider>,
    ),
  );
  const three = { stars: 3, place: null } as const;
  for (const given of [three, null, three, null]) await act(async () => now?.give(given));
  expect(submitted.map(([task]) => task)).toEqual(["answer", "withdraw", "answer", "withdraw"]);
  expect(told).toHaveLength(4);
  await act(async () => root.unmount());
});
