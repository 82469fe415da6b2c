/** One way to talk to the server: JSON in, JSON out, every failure is an `ApiError`. */

const BASE = '/api/v1'
const TIMEOUT_MS = 10_000

export interface FieldProblem {
  field: string
  /** Stable; what it turns on stands in `params`. */
  code: string
  detail: string
  params?: Record<string, string | number>
}

export class ApiError extends Error {
  constructor(
    /** HTTP status, or 0 when no answer came. */
    readonly status: number,
    /** Stable code of the problem, `network` or `timeout` when no answer came. */
    readonly code: string,
    readonly detail: string,
    /** Seconds to wait before the next try, when the server said so. */
    readonly retryAfterS: number | null = null,
    /** What is wrong with which field, in the server's words. */
    readonly fields: readonly FieldProblem[] = [],
  ) {
    super(`${status} ${code}: ${detail}`)
    this.name = 'ApiError'
  }
}

let onUnauthorised: () => void = () => undefined

/** What to do when a request shows that the session is over. */
export function whenUnauthorised(handler: () => void): void {
  onUnauthorised = handler
}

async function problemOf(response: Response): Promise<ApiError> {
  let code = `http_${response.status}`
  let detail = response.statusText
  let fields: FieldProblem[] = []
  try {
    const body: unknown = await response.json()
    if (body !== null && typeof body === 'object') {
      if ('code' in body && typeof body.code === 'string') code = body.code
      if ('detail' in body && typeof body.detail === 'string') detail = body.detail
      if ('errors' in body && Array.isArray(body.errors)) fields = body.errors as FieldProblem[]
    }
  } catch {
    // Not a problem document (a proxy's page, say): the status alone must do.
  }
  const retry = Number(response.headers.get('Retry-After') ?? Number.NaN)
  return new ApiError(response.status, code, detail, Number.isFinite(retry) ? retry : null, fields)
}

type Query = Record<string, string | number | boolean | null | undefined>

interface Options {
  /** The version that was read: the change is refused (412) when there is another one. */
  version?: number
  timeoutMs?: number
}

export function withQuery(path: string, query: Query = {}): string {
  const params = new URLSearchParams()
  for (const [key, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== '') params.set(key, String(value))
  }
  const text = params.toString()
  return text === '' ? path : `${path}?${text}`
}

async function request<T>(
  method: string,
  path: string,
  body?: unknown,
  { version, timeoutMs = TIMEOUT_MS }: Options = {},
): Promise<T> {
  const headers: Record<string, string> = { Accept: 'application/json' }
  if (method !== 'GET') headers['X-Requested-With'] = 'ctid'
  const file = body instanceof Blob
  if (body !== undefined) headers['Content-Type'] = file ? 'application/octet-stream' : 'application/json'
  if (version !== undefined) headers['If-Match'] = `"${version}"`
  let response: Response
  try {
    response = await fetch(BASE + path, {
      method,
      headers,
      credentials: 'same-origin',
      signal: AbortSignal.timeout(timeoutMs),
      ...(body === undefined ? {} : { body: file ? body : JSON.stringify(body) }),
    })
  } catch (error) {
    const timedOut = error instanceof DOMException && error.name === 'TimeoutError'
    throw new ApiError(0, timedOut ? 'timeout' : 'network', String(error))
  }
  if (!response.ok) {
    const problem = await problemOf(response)
    if (response.status === 401 && path !== '/login') onUnauthorised()
    throw problem
  }
  if (response.status === 204) return undefined as T
  const text = await response.text()
  return (text === '' ? undefined : JSON.parse(text)) as T
}

/** A file of the server's. `received` is told the share that has come, from 0 to 1. */
async function download(
  path: string,
  query: Query,
  signal: AbortSignal,
  received: (share: number) => void,
): Promise<Blob> {
  try {
    const response = await fetch(BASE + withQuery(path, query), { credentials: 'same-origin', signal })
    if (!response.ok) {
      const problem = await problemOf(response)
      if (response.status === 401) onUnauthorised()
      throw problem
    }
    const whole = Number(response.headers.get('Content-Length') ?? 0)
    const parts: Uint8Array<ArrayBuffer>[] = []
    let size = 0
    const reader = response.body?.getReader()
    for (let piece = await reader?.read(); piece?.done === false; piece = await reader?.read()) {
      parts.push(piece.value)
      size += piece.value.byteLength
      if (whole > 0) received(size / whole)
    }
    return new Blob(parts, { type: response.headers.get('Content-Type') ?? '' })
  } catch (error) {
    if (error instanceof ApiError) throw error
    throw new ApiError(0, signal.aborted ? 'aborted' : 'network', String(error))
  }
}

/** Sends a file. `sent` is told the share that has gone, from 0 to 1 (`fetch` cannot say). */
function upload<T>(
  path: string,
  query: Query,
  file: File,
  signal: AbortSignal,
  sent: (share: number) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest()
    const failed = (code: string) => () => reject(new ApiError(0, code, ''))
    request.open('POST', BASE + withQuery(path, query))
    request.setRequestHeader('X-Requested-With', 'ctid')
    request.setRequestHeader('Content-Type', file.type || 'application/octet-stream')
    request.upload.onprogress = (event) => {
      if (event.lengthComputable) sent(event.loaded / event.total)
    }
    request.onerror = failed('network')
    request.onabort = failed('aborted')
    request.onload = () => {
      const { status, responseText } = request
      if (status >= 200 && status < 300) {
        resolve(JSON.parse(responseText) as T)
        return
      }
      if (status === 401) onUnauthorised()
      void problemOf(new Response(responseText, { status })).then(reject)
    }
    signal.addEventListener('abort', () => request.abort())
    request.send(file)
  })
}

export const http = {
  download,
  upload,
  get: <T>(path: string, query?: Query, options?: Options) =>
    request<T>('GET', withQuery(path, query), undefined, options),
  post: <T>(path: string, body: unknown = {}, options?: Options) =>
    request<T>('POST', path, body, options),
  put: <T>(path: string, body: unknown = {}) => request<T>('PUT', path, body),
  patch: <T>(path: string, body: unknown, options: Options) =>
    request<T>('PATCH', path, body, options),
  remove: (path: string) => request<unknown>('DELETE', path),
  /** A request that has no body. */
  act: <T>(path: string, options?: Options) => request<T>('POST', path, undefined, options),
}

export const EVENTS_URL = `${BASE}/events`
export const apiUrl = (path: string, query: Query = {}) => withQuery(BASE + path, query)
export const audioUrl = (recording: string) =>
  `${BASE}/recordings/${encodeURIComponent(recording)}/audio`
