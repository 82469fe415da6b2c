import { afterEach, describe, expect, it } from 'vitest'
import { ApiError, type FieldProblem } from '../src/api/http'
import { setLocale } from '../src/i18n'
import { detailOf, fieldText } from '../src/lib/errors'

const problem = (fields: FieldProblem[]) => new ApiError(422, 'invalid', 'in English', null, fields)

afterEach(() => setLocale('en'))

describe('what is wrong with a field', () => {
  const length: FieldProblem = {
    field: 'password',
    code: 'length',
    detail: 'must have 12 to 1024 characters',
    params: { min: 12, max: 1024 },
  }

  it('is said by its code in the language of the reader', () => {
    setLocale('zh-CN')
    expect(detailOf(problem([length]))).toContain('密码：须为 12 至 1024 个字符')
    setLocale('en')
    expect(detailOf(problem([length]))).toContain('Password: must have 12 to 1024 characters')
  })

  it('names the field that a person knows, wherever in a list it is', () => {
    setLocale('zh-CN')
    const number = { field: 'body.contact_points.0.value', code: 'number', detail: 'is no number' }
    expect(detailOf(problem([number])).split('\n')[1]).toMatch(/^联系方式：不是电话号码/)
  })

  it('keeps the words of the server where no text says it', () => {
    setLocale('zh-CN')
    expect(fieldText({ field: 'file', code: 'invalid', detail: 'is empty' })).toBe('is empty')
    expect(detailOf(problem([{ field: 'body.zzz', code: 'odd', detail: 'is odd' }]))).toContain('zzz：is odd')
  })
})
