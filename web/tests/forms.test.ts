import { describe, expect, it } from 'vitest'
import { ref } from 'vue'
import { ApiError } from '../src/api/http'
import { useChosen } from '../src/lib/chosen'
import { useSaving } from '../src/lib/forms'

const refused = (code: string, status: number): ApiError => new ApiError(status, code, '')

describe('the saving of a form', () => {
  it('is busy meanwhile and forgets the last problem', async () => {
    const { busy, problem, saving } = useSaving((error) => error.code)
    await saving(() => Promise.reject(refused('conflict', 409)))
    expect(problem.value).toBe('conflict')
    const seen: unknown[] = []
    await saving(async () => void seen.push(busy.value, problem.value))
    expect(seen).toEqual([true, ''])
    expect([busy.value, problem.value]).toEqual([false, ''])
  })

  it('does something else when somebody was quicker, if there is something', async () => {
    const { problem, saving } = useSaving((error) => error.code)
    const stale = (): Promise<void> => Promise.reject(refused('precondition_failed', 412))
    let told = 0
    await saving(stale, () => void told++)
    expect([told, problem.value]).toEqual([1, ''])
    await saving(stale)
    expect([told, problem.value]).toEqual([1, 'precondition_failed'])
  })

  it('lets a bug go on up, and is not busy for ever', async () => {
    const { busy, saving } = useSaving()
    await expect(saving(() => Promise.reject(new TypeError('bug')))).rejects.toThrow('bug')
    expect(busy.value).toBe(false)
  })
})

describe('one line in a drawer', () => {
  it('is open for a line of the list and for a new one, and shows the line as it is now', () => {
    const lines = ref([{ id: 'a', n: 1 }])
    let closed = 0
    const { chosen, adding, one, open, close } = useChosen(lines, (line) => line.id, () => void closed++)
    expect(open.value).toBe(false)
    chosen.value = 'a'
    lines.value = [{ id: 'a', n: 2 }]
    expect([open.value, one.value?.n]).toEqual([true, 2])
    lines.value = []
    expect(open.value).toBe(false)
    adding.value = true
    expect(open.value).toBe(true)
    open.value = false
    expect([adding.value, chosen.value, closed]).toEqual([false, null, 1])
    close()
    expect(closed).toBe(2)
  })
})
