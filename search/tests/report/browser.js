'use strict';
// As much of a browser as the page uses. `markup` counts texts that were set as markup.
let markup = 0, slowest = 0;
const waiting = [];

class Element {
  constructor(tagName) {
    Object.assign(this, { tagName: tagName.toUpperCase(), children: [], style: {}, attributes: {}, listeners: {}, text: '', className: '', scrollTop: 0, clientHeight: 440, clientWidth: 600, value: '', max: 0 });
  }
  append(...children) { for (const child of children) this.children.push(child); }
  replaceChildren(...children) { this.text = ''; this.children = children; }
  setAttribute(name, value) { this.attributes[name] = value; }
  addEventListener(name, listener) { (this.listeners[name] ||= []).push(listener); }
  focus() {}
  getContext() { return new Proxy({}, { get: () => () => {}, set: () => true }); }
  get textContent() { return this.text + this.children.map((child) => child.textContent).join(' '); }
  set textContent(text) { this.children = []; this.text = String(text); }
  set innerHTML(text) { markup += 1; this.text = text; }
}

const elements = {};
const find = (id) => (elements[id] ||= new Element(id === 'find' ? 'input' : 'div'));
const listeners = {};
const documentOfPage = {
  getElementById: find,
  createElement: (name) => new Element(name),
  addEventListener: (name, listener) => { (listeners[name] ||= []).push(listener); },
};
globalThis.requestAnimationFrame = (frame) => waiting.push(frame);
const document = documentOfPage;
find('log').textContent = PAGE;

function press(key) {
  const before = performance.now();
  for (const listener of listeners.keydown) listener({ key, preventDefault() {}, target: find('tree') });
  slowest = Math.max(slowest, performance.now() - before);
}
