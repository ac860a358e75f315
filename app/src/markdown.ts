/** The little Markdown that findings and verdicts use, as elements; text never becomes HTML. */

const INLINE = /\*\*(.+?)\*\*|`([^`]+)`|\[([^\]]+)\]\(([^)\s]+)\)/g;

/** Paragraphs and lists. */
export function blocks(text: string): HTMLElement[] {
  return text
    .trim()
    .split(/\n\s*\n/)
    .flatMap((part) => runs(part.split("\n")));
}

/** Bold, code, and links as their words. */
export function inline(text: string): Node[] {
  const nodes: Node[] = [];
  let at = 0;
  for (const match of text.matchAll(INLINE)) {
    nodes.push(document.createTextNode(text.slice(at, match.index)));
    const [whole, bold, code, link] = match;
    nodes.push(
      bold ? element("strong", ...inline(bold)) : code ? element("code", code) : document.createTextNode(link ?? whole),
    );
    at = match.index + whole.length;
  }
  nodes.push(document.createTextNode(text.slice(at)));
  return nodes;
}

export function element(tag: string, ...children: (Node | string)[]): HTMLElement {
  const made = document.createElement(tag);
  made.append(...children);
  return made;
}

function runs(lines: readonly string[]): HTMLElement[] {
  const made: HTMLElement[] = [];
  for (const line of lines) {
    const item = /^\s*(?:[-*]|\d+\.)\s+(.*)$/.exec(line)?.[1];
    const last = made[made.length - 1];
    if (item !== undefined) {
      const list = last?.tagName === "UL" ? last : (made.push(element("ul")), made[made.length - 1] as HTMLElement);
      list.append(element("li", ...inline(item)));
    } else if (last?.tagName === "P") {
      last.append(" ", ...inline(line));
    } else {
      made.push(element("p", ...inline(line)));
    }
  }
  return made;
}
