import { afterEach, describe, expect, it, vi } from 'vitest'
import { ApiError, http } from '../src/api/http'
import { fileSize, MAX_FILE_BYTES, refusal } from '../src/lib/files'
import { completed, mentionAt, suggestions } from '../src/lib/mentions'

describe('a mention that is being typed', () => {
  const at = (text: string) => mentionAt(text, text.length)
  const people = [
    { username: 'li', name: '李娜' },
    { username: 'boss', name: '王主任' },
    { username: 'lin.wu', name: 'Wu Lin' },
    { username: 'ali', name: 'Ali' },
  ]

  it('is found at the caret, also behind Chinese, and never in a mail address', () => {
    expect(at('@')).toEqual({ start: 0, word: '' })
    expect(at('请@李')).toEqual({ start: 1, word: '李' })
    expect(at('ask @li')).toEqual({ start: 4, word: 'li' })
    expect(at('li@paper')).toBeNull()
    expect(at('@li is asked')).toBeNull()
    expect(mentionAt('@li is asked', 3)).toEqual({ start: 0, word: 'li' })
  })

  it('offers who begins like that before who has it inside, by either name', () => {
    expect(suggestions(people, 'LI').map((one) => one.username)).toEqual(['li', 'lin.wu', 'ali'])
    expect(suggestions(people, '主任').map((one) => one.username)).toEqual(['boss'])
    expect(suggestions(people, '').length).toBe(4)
    expect(suggestions(people, 'zz')).toEqual([])
  })

  it('is finished in its place, with one space behind it', () => {
    const text = '请@李 回电'
    const typed = mentionAt(text, 3)
    expect(typed).not.toBeNull()
    expect(completed(text, typed!, 3, 'li')).toEqual({ text: '请@li 回电', caret: 5 })
  })
})

describe('files', () => {
  it('are refused before they are sent when they cannot be kept', () => {
    expect([0, 1, MAX_FILE_BYTES, MAX_FILE_BYTES + 1].map((size) => refusal({ size }))).toEqual([
      'empty',
      null,
      null,
      'too_large',
    ])
  })

  it('have sizes that people read', () => {
    expect([0, 1023, 1024, 1536, 10 * 1024, MAX_FILE_BYTES].map(fileSize)).toEqual([
      '0 B',
      '1023 B',
      '1.0 KB',
      '1.5 KB',
      '10 KB',
      '10 MB',
    ])
  })
})

describe('an upload', () => {
  class FakeRequest {
    static last: FakeRequest
    upload: { onprogress?: (event: { lengthComputable: boolean; loaded: number; total: number }) => void } = {}
    headers: Record<string, string> = {}
    status = 0
    responseText = ''
    url = ''
    onload?: () => void
    onerror?: () => void
    onabort?: () => void
    constructor() {
      FakeRequest.last = this
    }
    open(_method: string, url: string): void {
      this.url = url
    }
    setRequestHeader(name: string, value: string): void {
      this.headers[name] = value
    }
    send(): void {}
    abort(): void {
      this.onabort?.()
    }
    answer(status: number, body: unknown): void {
      this.status = status
      this.responseText = JSON.stringify(body)
      this.onload?.()
    }
  }
  const file = new File(['abc'], '稿 件.txt', { type: 'text/plain' })
  afterEach(() => vi.unstubAllGlobals())

  function begin(sent: (share: number) => void, signal = new AbortController().signal) {
    vi.stubGlobal('XMLHttpRequest', FakeRequest)
    const done = http.upload<{ id: string }>('/x', { name: file.name }, file, signal, sent)
    return { done, request: FakeRequest.last }
  }

  it('tells how far it is and gives the answer', async () => {
    const shares: number[] = []
    const { done, request } = begin((share) => shares.push(share))
    request.upload.onprogress?.({ lengthComputable: true, loaded: 1, total: 4 })
    request.answer(200, { id: '7' })
    expect(await done).toEqual({ id: '7' })
    expect(shares).toEqual([0.25])
    expect(request.url).toBe('/api/v1/x?name=%E7%A8%BF+%E4%BB%B6.txt')
    expect(request.headers).toEqual({ 'X-Requested-With': 'ctid', 'Content-Type': 'text/plain' })
  })

  it('fails as every request fails', async () => {
    const refused = begin(() => undefined)
    refused.request.answer(413, { code: 'body_too_large', detail: 'At most 10485760 bytes' })
    await expect(refused.done).rejects.toMatchObject({ status: 413, code: 'body_too_large' })
    const stop = new AbortController()
    const stopped = begin(() => undefined, stop.signal)
    stop.abort()
    await expect(stopped.done).rejects.toBeInstanceOf(ApiError)
  })
})
