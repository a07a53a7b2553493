/** The views, as the part of the address after `#` says them. */

export type Route =
  | { readonly view: "home" }
  | { readonly view: "ask" }
  | { readonly view: "question"; readonly id: string };

export function routeOf(hash: string): Route {
  const path = hash.replace(/^#\/?/, "");
  if (path === "ask") return { view: "ask" };
  const [, id] = /^questions\/([0-9A-Za-z-]{1,64})$/.exec(path) ?? [];
  return id === undefined ? { view: "home" } : { view: "question", id };
}

export function hashOf(route: Route): string {
  if (route.view === "question") return `#/questions/${route.id}`;
  return route.view === "ask" ? "#/ask" : "#/";
}
