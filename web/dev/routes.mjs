/** Tables of routes for the stand-in: `METHOD /path/:name` to what answers it. */

/** An answer that is an error. */
export class Refusal extends Error {
  constructor(status, code, errors = []) {
    super(code)
    Object.assign(this, { status, code, errors })
  }
}

/** `find(method, path)`: what answers it, with the names of the path filled in; null: nothing does. */
export function router(...tables) {
  const routes = tables.flatMap(Object.entries).map(([key, handle]) => {
    const [method, path] = key.split(' ')
    return { method, handle, pattern: new RegExp(`^${path.replace(/:(\w+)/g, '(?<$1>[^/]+)')}$`) }
  })
  return (method, path) => {
    for (const route of routes) {
      const found = route.method === method ? route.pattern.exec(path) : null
      if (found === null) continue
      const params = Object.fromEntries(
        Object.entries(found.groups ?? {}).map(([name, value]) => [name, decodeURIComponent(value)]),
      )
      return (asked) => route.handle({ ...asked, params })
    }
    return null
  }
}

export const page = (items) => ({ items, next: null })

/** One of a list by its id; a Refusal when it is not there. */
export function one(list, id, key = 'id') {
  const found = list.find((item) => item[key] === id)
  if (found === undefined) throw new Refusal(404, 'not_found')
  return found
}

/** Takes one out of a list. */
export function drop(list, id, key = 'id') {
  list.splice(list.indexOf(one(list, id, key)), 1)
}

/** Changes a thing that has versions, unless somebody else was quicker. */
export function change(thing, fields, version) {
  if (version !== null && version !== thing.version) throw new Refusal(412, 'precondition_failed')
  return Object.assign(thing, fields, { version: thing.version + 1 })
}

let last = 5000
export const newId = () => String(++last)
