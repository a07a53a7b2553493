import { expect, test } from "vitest";
import { type Api, ApiError } from "../src/api.js";
import { SignIn } from "../src/session.js";
import type { Session } from "../src/types.js";

const session = (id: string): Session => ({
  token: `${id}'s`,
  expires_at: "2030-01-01T00:00:00Z",
  expires_in: 60,
  person: { id, name: id },
});

/** Signed in as Ada, whose next session was asked for; `answer` says what comes of that. */
async function refreshing() {
  let answer = (_: Session | ApiError): void => {};
  const api = {
    signIn: (name: string) => Promise.resolve(session(name)),
    signOut: () => Promise.resolve(),
    refresh: () =>
      new Promise<Session>((resolve, reject) => {
        answer = (found) => (found instanceof ApiError ? reject(found) : resolve(found));
      }),
  } as unknown as Api;
  const signIn = new SignIn(api);
  await signIn.signIn("ada");
  signIn.distrust();
  const token = signIn.token();
  return { signIn, token, answer: (found: Session | ApiError) => answer(found) };
}

test("who signs out is not signed in by a session that was asked for before", async () => {
  const { signIn, token, answer } = await refreshing();
  await signIn.signOut();
  answer(session("ada"));
  expect(await token).toBeUndefined();
  expect(signIn.person.get()).toBeNull();
});

test.each([session("ada"), new ApiError(401, "")])(
  "who signs in as another stays it",
  async (found) => {
    const { signIn, token, answer } = await refreshing();
    await signIn.signOut();
    await signIn.signIn("bob");
    answer(found);
    expect(await token).toBe("bob's");
    expect(await signIn.token()).toBe("bob's");
    expect(signIn.person.get()?.id).toBe("bob");
  },
);
