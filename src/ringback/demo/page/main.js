// The page: what is offered, the cards there are, and what is said of the whole.

import { Card } from "./card.js";
import { plural, setText, show } from "./dom.js";
import { link } from "./link.js";
import { Operation } from "./operation.js";
import * as store from "./store.js";

const CROWD = 6; // open cards beyond which new ones show their head only
const BURST = 50;
const SAMPLES = ["dawn.jpg", "noon.jpg", "dusk.jpg"];
const ANNOUNCE_AFTER = 600; // milliseconds in which changes are gathered to one sentence
const TOAST_FOR = 8000;
const TICK = 500;

const $ = (id) => document.getElementById(id);
const list = $("cards");
const cards = new Map();

// Settings

function mode() {
  return document.querySelector("input[name=follow]:checked").value;
}

function pace() {
  return Number($("pace").value);
}

function showPace() {
  const text = pace() === 0 ? "off" : `${pace().toFixed(1)} s a step`;
  setText($("pace-value"), text);
  $("pace").setAttribute("aria-valuetext", text);
}

const kept = document.querySelector(
  `input[name=follow][value="${store.setting("follow", "sse")}"]`,
);
if (kept) kept.checked = true;
$("pace").value = store.setting("pace", 0.6);
showPace();

for (const radio of document.querySelectorAll("input[name=follow]")) {
  radio.addEventListener("change", () => {
    store.saveSetting("follow", mode());
    for (const card of cards.values()) card.operation.setMode(mode());
  });
}
$("pace").addEventListener("input", () => {
  store.saveSetting("pace", pace());
  showPace();
});

// Cards

const GROUPS = {
  all: () => true,
  open: (card) => card.open,
  succeeded: (card) => card.operation.state === "succeeded",
  ended: (card) => !card.open && card.operation.state !== "succeeded",
};
let group = "all";

function add(operation, { start = true } = {}) {
  const { record } = operation;
  if (start && record.collapsed === undefined)
    record.collapsed = [...cards.values()].filter(GROUPS.open).length >= CROWD;
  const card = new Card(operation, {
    removed: remove,
    redriven: (again) => add(again),
  });
  cards.set(record.key, card);
  list.prepend(card.element);
  operation.start(mode());
  summarize();
  return card;
}

function remove(card) {
  const next = card.element.nextElementSibling ?? card.element.previousElementSibling;
  card.operation.remove();
  take(card);
  // Whoever works by keyboard goes on where they were.
  (next?.querySelector(".fold") ?? $("files")).focus({ preventScroll: true });
}

function take(card) {
  cards.delete(card.operation.record.key);
  card.element.remove();
  summarize();
}

function summarize() {
  const all = [...cards.values()];
  show($("empty"), all.length === 0);
  show($("overview"), all.length > 0);
  for (const [name, belongs] of Object.entries(GROUPS)) {
    setText($(`count-${name}`), String(all.filter(belongs).length));
  }
  for (const card of all) show(card.element, GROUPS[group](card));
  show($("none"), all.length > 0 && !all.some(GROUPS[group]));
  $("remove-ended").disabled = !all.some((card) => !card.open);
  const folded = all.filter((card) => card.operation.record.collapsed).length;
  setText($("fold"), folded < all.length / 2 ? "Fold all" : "Unfold all");
  const open = all.filter(GROUPS.open).length;
  document.title = open > 0 ? `(${open}) Ringback demo` : "Ringback demo";
}

for (const button of document.querySelectorAll("#groups button")) {
  button.addEventListener("click", () => {
    group = button.dataset.group;
    for (const each of document.querySelectorAll("#groups button")) {
      each.setAttribute("aria-pressed", String(each === button));
    }
    summarize();
  });
}
$("remove-ended").addEventListener("click", () => {
  const ended = [...cards.values()].filter((card) => !card.open);
  for (const card of ended) {
    card.operation.remove();
    take(card);
  }
  say(`${plural(ended.length, "card")} removed.`);
  $("files").focus({ preventScroll: true });
});
$("fold").addEventListener("click", () => {
  const all = [...cards.values()];
  const fold = all.filter((card) => card.operation.record.collapsed).length < all.length / 2;
  for (const card of all) card.collapse(fold, true);
  summarize();
});

// Saying what happens, to those who do not see it: many changes of a moment make one sentence.

let changes = [];

function say(text) {
  changes.push(text);
  if (changes.length > 1) return;
  setTimeout(() => {
    const told =
      changes.length <= 3
        ? changes.join(" ")
        : `${plural(changes.length, "change")}: ${[...new Set(changes.slice(-3))].join(" ")}`;
    changes = [];
    setText($("announcer"), told);
  }, ANNOUNCE_AFTER);
}

list.addEventListener("state", ({ detail: { card, was, label } }) => {
  if (was !== undefined) say(`${card.operation.record.title}: ${label}.`);
  summarize();
});

let toastEnds;

function toast(text, kind = "") {
  const box = $("toast");
  setText($("toast-text"), text);
  say(text);
  box.className = `toast ${kind}`;
  show(box, true);
  clearTimeout(toastEnds);
  toastEnds = setTimeout(() => show(box, false), TOAST_FOR);
}
$("toast-close").addEventListener("click", () => show($("toast"), false));

// Starting something

function takeFiles(files) {
  // The first one chosen shall stand on top.
  for (const file of [...files].reverse()) add(Operation.ofFile(file, pace()));
}

$("files").addEventListener("change", ({ target }) => {
  takeFiles(target.files);
  target.value = "";
});
let dragged = 0; // enters less leaves: each element that is crossed sends both
addEventListener("dragenter", (event) => {
  if (!event.dataTransfer?.types.includes("Files")) return;
  dragged += 1;
  document.body.classList.add("dropping");
});
addEventListener("dragleave", () => {
  dragged = Math.max(0, dragged - 1);
  if (dragged === 0) document.body.classList.remove("dropping");
});
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  dragged = 0;
  document.body.classList.remove("dropping");
  takeFiles(event.dataTransfer.files);
});

async function sample(name, type) {
  try {
    const answer = await fetch(`/demo/samples/${name}`);
    if (!answer.ok) throw new TypeError(`The server answered ${answer.status}.`);
    takeFiles([new File([await answer.blob()], name, { type })]);
  } catch {
    link.suspect();
    toast("The sample could not be fetched: the server does not answer.", "bad");
  }
}

let samples = store.setting("samples", 0);
const STARTS = {
  photo: () => {
    const name = SAMPLES[samples % SAMPLES.length];
    samples += 1;
    store.saveSetting("samples", samples);
    return sample(name, "image/jpeg");
  },
  table: () => sample("orders.csv", "text/csv"),
  primes: () =>
    add(Operation.ofTask("count_primes", "Count primes", { limit: 5_000_000, pace: pace() })),
  stumble: () => add(Operation.ofTask("stumble", "Fail once, then succeed", { pace: pace() })),
  doomed: () => add(Operation.ofTask("doomed", "Fail for good", { pace: pace() })),
  burst,
};

async function burst() {
  const begun = performance.now();
  const started = Array.from({ length: BURST }, (_, at) => {
    const seconds = Number((0.5 + 4 * Math.random()).toFixed(1));
    const operation = Operation.ofTask("nap", `Nap ${BURST - at}`, { seconds });
    operation.record.collapsed = true;
    return add(operation).operation;
  });
  await Promise.all(
    started.map(
      (operation) =>
        new Promise((done) => {
          operation.addEventListener("change", function look() {
            if (!operation.id && !operation.record.refused) return;
            operation.removeEventListener("change", look);
            done();
          });
        }),
    ),
  );
  const accepted = started.filter((operation) => operation.id).length;
  toast(
    `${accepted} requests acknowledged, each on disk, within ${Math.round(performance.now() - begun)} ms.`,
    "good",
  );
}

for (const button of document.querySelectorAll("[data-start]")) {
  button.addEventListener("click", () => {
    STARTS[button.dataset.start]();
    const menu = button.closest("details");
    if (menu) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
}
for (const menu of document.querySelectorAll("details.menu")) {
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
  addEventListener("click", (event) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
}

// Killing the worker

$("kill").addEventListener("click", async () => {
  $("kill").disabled = true;
  try {
    const answer = await fetch("/demo/kill-worker", { method: "POST" });
    const body = await answer.json();
    if (!answer.ok) {
      toast(body.detail, "bad");
      return;
    }
    for (const card of cards.values()) {
      if (card.operation.view.status === "running") card.operation.orphan(body.pid);
    }
    toast(
      `Worker ${body.pid} is dead, and ${plural(body.operations, "operation")} lost it. Their leases run out within ${body.lease} s; then a new worker goes on with them.`,
    );
  } catch {
    link.suspect();
    toast("The server does not answer, so it cannot kill its worker.", "bad");
  } finally {
    $("kill").disabled = false;
  }
});

// The connection

function showLink() {
  const box = $("link");
  const down = link.state === "down";
  box.dataset.state = link.state;
  document.body.classList.toggle("cut-off", down);
  const left = link.nextTry === null ? 0 : Math.ceil((link.nextTry - performance.now()) / 1000);
  // The seconds are for the eye; only that it is lost, and back, is read out.
  setText($("link-text"), down ? "Server away" : "Connected");
  setText($("link-wait"), down ? (left > 0 ? `trying again in ${left} s` : "trying…") : "");
}
link.addEventListener("change", showLink);
setInterval(() => {
  if (link.state === "down") showLink();
  for (const card of cards.values()) card.tick();
}, TICK);
showLink();

// What was here before, unless the server has another store by now: it knows nothing of it then.

async function otherStore() {
  try {
    const { epoch } = await (await fetch("/demo/store")).json();
    const before = store.setting("epoch", epoch);
    store.saveSetting("epoch", epoch);
    return before !== epoch;
  } catch {
    return false; // it is away; what it does not know will show when it is back
  }
}

if (await otherStore()) {
  const gone = store.cards().filter((record) => record.id);
  for (const record of gone) store.drop(record.key);
  if (gone.length > 0)
    toast(
      `The server has a new store: ${plural(gone.length, "earlier operation")} of this page went with the old one.`,
    );
}
for (const record of store.cards()) {
  const operation = new Operation(record);
  if (operation.wire.begun > 0) operation.wire.mark("The page was loaded again.");
  add(operation, { start: false });
}
store.onOtherTab((key, record) => {
  const card = cards.get(key);
  if (record === null && card) {
    card.operation.abandon();
    take(card);
  } else if (record?.id && !card && (!record.upload || record.upload.done)) {
    add(new Operation(record), { start: false });
  }
});
let forgetfulTold = false;
store.onForgetful(() => {
  if (forgetfulTold) return;
  forgetfulTold = true;
  toast(
    "This browser keeps nothing more, so a reload will not find what is new. Remove some cards.",
    "bad",
  );
});
addEventListener("pagehide", () => {
  for (const card of cards.values()) card.operation.saveWireNow();
});
summarize();
