/**
 * A page for React, in Node. Only what React needs of a page is put into the global scope: with all
 * of jsdom there (as Vitest's environment has it), Node's own `fetch`, `WebSocket`, `AbortSignal`
 * and `Event` would be mixed with jsdom's, which do not know one another.
 */

import { JSDOM } from "jsdom";

const { window } = new JSDOM("<!doctype html><html lang=en><body></body></html>");

Object.assign(globalThis, {
  window,
  document: window.document,
  HTMLElement: window.HTMLElement,
  // What a server says comes when it comes: not every change is an act of the test.
  IS_REACT_ACT_ENVIRONMENT: false,
});
