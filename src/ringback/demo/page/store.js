// What outlives a reload, in localStorage: one record for each card, so that two tabs do not
// overwrite each other's; and the page's settings.

const CARD = "ringback-demo:card:";
const WIRE = "ringback-demo:wire:";
const SETTING = "ringback-demo:setting:";

/** Calls back when the browser keeps nothing more: it is full, or does not want to. */
export function onForgetful(told) {
  forgetful = told;
}

let forgetful = () => {};

function write(key, value) {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch {
    forgetful();
  }
}

function read(key) {
  try {
    return JSON.parse(localStorage.getItem(key));
  } catch {
    return null;
  }
}

/** All cards, oldest first. */
export function cards() {
  return Object.keys(localStorage)
    .filter((key) => key.startsWith(CARD))
    .map(read)
    .filter((card) => card?.key)
    .sort((a, b) => a.at - b.at);
}

export function saveCard(card) {
  write(CARD + card.key, card);
}

export function saveWire(key, entries) {
  write(WIRE + key, entries);
}

export function wire(key) {
  return read(WIRE + key) ?? [];
}

export function drop(key) {
  localStorage.removeItem(CARD + key);
  localStorage.removeItem(WIRE + key);
}

export function setting(name, otherwise) {
  return read(SETTING + name) ?? otherwise;
}

export function saveSetting(name, value) {
  write(SETTING + name, value);
}

/** Calls back when another tab writes a card, or removes it (with null). */
export function onOtherTab(changed) {
  addEventListener("storage", (event) => {
    if (!event.key?.startsWith(CARD)) return;
    const key = event.key.slice(CARD.length);
    changed(key, event.newValue === null ? null : JSON.parse(event.newValue));
  });
}
