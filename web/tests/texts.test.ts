/** Every text is in both languages, every text is used, and no page has a text of its own. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { NodeTypes, type ElementNode, type TemplateChildNode } from '@vue/compiler-core'
import { baseParse } from '@vue/compiler-core'
import { parse } from '@vue/compiler-sfc'
import { describe, expect, it } from 'vitest'
import en from '../src/i18n/en'
import zhCN from '../src/i18n/zh-CN'

const SOURCE = join(import.meta.dirname, '../src')

type Tree = { [key: string]: string | Tree }
function flat(tree: Tree, prefix = ''): Map<string, string> {
  const out = new Map<string, string>()
  for (const [key, value] of Object.entries(tree)) {
    const name = prefix === '' ? key : `${prefix}.${key}`
    if (typeof value === 'string') out.set(name, value)
    else for (const [inner, text] of flat(value, name)) out.set(inner, text)
  }
  return out
}

const files = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' }).filter(
  (name) => /\.(vue|ts)$/.test(name) && !/^i18n.(en|zh-CN)\.ts$/.test(name),
)
const read = (name: string): string => readFileSync(join(SOURCE, name), 'utf8')
const english = flat(en)
const chinese = flat(zhCN as unknown as Tree)

describe('both languages', () => {
  it('have the same keys', () => {
    expect([...chinese.keys()].sort()).toEqual([...english.keys()].sort())
  })

  it('have no empty text and the same places to fill in', () => {
    const places = (text = ''): string[] => (text.match(/\{\w+\}/g) ?? []).sort()
    for (const [key, text] of english) {
      expect(text.trim(), key).not.toBe('')
      expect(chinese.get(key)?.trim(), key).not.toBe('')
      expect(places(chinese.get(key)), key).toEqual(places(text))
    }
  })

  it('are what they say they are', () => {
    const both = new Set(['locales.zh-CN', 'locales.en'])
    for (const [key, text] of english) {
      if (!both.has(key)) expect(text, key).not.toMatch(/\p{Script=Han}/u)
    }
    // The same in both: names, abbreviations and key names.
    const same = [...english].filter(([key, text]) => chinese.get(key) === text).map(([key]) => key)
    expect(same.sort()).toEqual([
      'app.short',
      'customer.vip',
      'locales.en',
      'locales.zh-CN',
      'wrap_up.keys',
    ])
  })
})

describe('the sources', () => {
  const used = new Set<string>()
  const families = new Set<string>()
  for (const name of files) {
    const text = read(name)
    for (const [, key = ''] of text.matchAll(/\b(?:t|te)\(\s*'([\w.-]+)'/g)) used.add(key)
    // t(cond ? 'a.b' : 'c.d')
    for (const [whole] of text.matchAll(/\bt\([^()]*\?[^()]*:[^()]*\)/g)) {
      for (const [, key = ''] of whole.matchAll(/'([\w-]+\.[\w.-]+)'/g)) used.add(key)
    }
    // `family.${name}`
    for (const [, family = ''] of text.matchAll(/`(\w+)\.\$\{/g)) families.add(family)
    for (const [, family = ''] of text.matchAll(/`(\w+)\.\$\{\w+\}_hint`/g)) families.add(family)
  }

  it('use only texts that are there', () => {
    expect([...used].filter((key) => !english.has(key))).toEqual([])
    expect([...families].filter((family) => !(family in en))).toEqual([])
  })

  it('use every text', () => {
    const idle = [...english.keys()].filter(
      (key) => !used.has(key) && !families.has(key.split('.')[0] ?? ''),
    )
    expect(idle).toEqual([])
  })
})

/** Attributes that a person reads or hears. */
const READ = new Set(['title', 'placeholder', 'alt', 'label', 'aria-label', 'content', 'description'])

function ownTexts(nodes: TemplateChildNode[]): string[] {
  return nodes.flatMap((node) => {
    if (node.type === NodeTypes.TEXT) return /\p{L}/u.test(node.content) ? [node.content.trim()] : []
    if (node.type !== NodeTypes.ELEMENT) return []
    const element = node as ElementNode
    const attributes = element.props.flatMap((prop) =>
      prop.type === NodeTypes.ATTRIBUTE && READ.has(prop.name) && prop.value
        ? [`${prop.name}="${prop.value.content}"`]
        : [],
    )
    return [...attributes, ...ownTexts(element.children)]
  })
}

describe('pages and parts', () => {
  const pages = files.filter((name) => name.endsWith('.vue'))

  it.each(pages)('%s has no text of its own', (name) => {
    const { descriptor } = parse(read(name))
    expect(descriptor.template).not.toBeNull()
    expect(ownTexts(baseParse(descriptor.template?.content ?? '').children)).toEqual([])
  })

  it('are looked at by a check that can find something', () => {
    const page = '<div title="Hello"><b>{{ t("x.y") }}</b> 你好 <i>·</i></div>'
    expect(ownTexts(baseParse(page).children)).toEqual(['title="Hello"', '你好'])
  })

  it.each(files)('%s has no Chinese in its code', (name) => {
    const code = read(name).replaceAll("'、'", '')
    expect(code.match(/\p{Script=Han}+/u)).toBeNull()
  })
})
